import { kennelError } from "../../../runtime/errors.ts";
import type { MessageHeaders, Scope } from "../../../transport/transport.ts";
import type { ModeView } from "../../coordinator/modes.ts";
import type { FusionSettings } from "../../document_store/collection_record.ts";
import type { VisibleFilter } from "../../vector_store/filter.ts";
import { AnswerKeys } from "../answers/answer_key.ts";
import type { Mode, SearchRequest } from "../search.ts";
import { visibleTo } from "../visibility.ts";
import type { Actives } from "./actives.ts";
import { fitToAdopted } from "./adopted_requests.ts";
import type { RegistryParts, ResolvedCollection } from "./options.ts";

/** Expiry by age moves in steps, so that queries of one step can share an answer; nothing is found after its age. */
const EXPIRY_STEP_MS = 1_000;
const NOTHING_FAILED: ModeView["degradations"] = [];

/** A query on its way through the registry. */
export interface Query {
  readonly request: SearchRequest;
  readonly resolved: ResolvedCollection;
  readonly mode: ModeView;
  readonly fusion: FusionSettings;
  /** What who asks may see; null: all. */
  readonly visible: VisibleFilter | null;
  readonly notBeforeMs: number | null;
  readonly receivedMs: number;
  readonly endsAtMs: number;
  /** Under which its answer is shared and kept. */
  readonly key: string;
  /** Others change what it asks and tell nobody: a kept answer is for an outage alone. */
  readonly isLive: boolean;
}

type KeyedQuery = Pick<Query, "request" | "resolved" | "fusion" | "notBeforeMs">;
type AdmissionParts = Pick<RegistryParts, "clock" | "modes" | "collections" | "reranker" | "languageModel">;

/** Makes queries of requests: with their collection, the mode of the moment, and the key of their answer. */
export class Admission {
  readonly #parts: AdmissionParts;
  readonly #actives: Pick<Actives, "find">;
  readonly #keys = new AnswerKeys();
  readonly #helpers: string;

  constructor(parts: AdmissionParts, actives: Pick<Actives, "find">) {
    this.#parts = parts;
    const { reranker, languageModel } = parts;
    this.#helpers = JSON.stringify([reranker?.name, reranker?.weight, languageModel?.name]);
    this.#actives = actives;
  }

  /** @throws KennelError `invalid_request` for what an adopted collection can't be asked */
  admit(asked: SearchRequest, headers: MessageHeaders, resolved: ResolvedCollection, hasVector = asked.vector !== null): Query {
    const { clock, modes } = this.#parts;
    const receivedMs = clock.monotonicMs();
    const { settings } = resolved.record;
    const { adopt } = settings;
    const request = adopt === undefined ? asked : fitToAdopted(asked, adopt, settings.embedding);
    const read = modes.read(this.#actives.find(resolved)?.residency ?? "store", hasVector);
    const mode = adopt?.lexical === "none" ? { ...read, canSearchText: false } : read;
    const fusion = request.fusion ?? settings.fusion;
    const notBeforeMs = settings.ttlSeconds === null ? null : expiry(clock.wallMs(), settings.ttlSeconds);
    const query = { request, resolved, mode, fusion, notBeforeMs, receivedMs };
    return {
      ...query,
      visible: visibleTo(headers.scope, settings.acl),
      endsAtMs: receivedMs + headers.timeoutMs,
      // What was answered in full is what a stale answer is taken from.
      key: mode.mode === "stale" ? this.fullKey(query, headers.scope) : this.#key(query, headers.scope, mode.mode, mode.degradations),
      isLive: adopt !== undefined,
    };
  }

  /** The key that the query would have, had it been asked while nothing was missing. */
  fullKey(query: KeyedQuery, scope: Scope): string {
    return this.#key(query, scope, "full", NOTHING_FAILED);
  }

  #key({ request, resolved, fusion, notBeforeMs }: KeyedQuery, scope: Scope, mode: Mode, failed: ModeView["degradations"]): string {
    const { record, version } = resolved;
    return this.#keys.of(request, { scope, record, version, mode, failed, helpers: this.#helpers, fusion, notBeforeMs });
  }

  /** @throws KennelError `not_found` */
  resolve(name: string): ResolvedCollection {
    const resolved = this.#parts.collections.resolve(name);
    if (resolved !== null) return resolved;
    throw kennelError("not_found", { message: `There is no collection or alias "${name.slice(0, 64)}"`, param: "collection" });
  }
}

function expiry(nowMs: number, ttlSeconds: number): number {
  return Math.ceil((nowMs - ttlSeconds * 1_000) / EXPIRY_STEP_MS) * EXPIRY_STEP_MS;
}
