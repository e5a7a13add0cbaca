import { type KennelError, kennelError, toKennelError } from "../../runtime/errors.ts";
import type { CollectionSettings } from "../document_store/collection_record.ts";
import { type AdoptionContext, adoptCollection } from "./adopting.ts";
import type { AdoptedFields, Adoption, AdoptionRequest, ForeignCollection, ForeignCollections } from "./adoption.ts";
import type { AttributeSchema } from "./filter.ts";

/** A foreign collection, and what each way of adopting it would come to. */
export interface ForeignLook {
  readonly foreign: ForeignCollection;
  /** Null: it can't be adopted without more being said; `problem` tells what. */
  readonly adoption: Adoption | null;
  readonly problem: KennelError | null;
  /** Why it could not be written to; null: it could. */
  readonly readOnlyBecause: KennelError | null;
}

/** Looks at collections that something else has made, and makes them ones of Kennel's without moving a row. */
export class Adopter {
  readonly #foreign: ForeignCollections | null;
  readonly #model: AdoptionContext["model"];
  readonly #maxCopiedRows: number;

  /**
   * @param foreign null: this node's vector store has no collections of others
   * @param maxCopiedRows texts of larger ones are not copied to be ranked where their server does not
   */
  constructor(foreign: ForeignCollections | null, model: AdoptionContext["model"], maxCopiedRows: number) {
    this.#foreign = foreign;
    this.#model = model;
    this.#maxCopiedRows = maxCopiedRows;
  }

  async list(signal: AbortSignal): Promise<readonly string[]> {
    return this.#store().list(signal);
  }

  /** Changes nothing, not even what the store holds in memory. Rejects with `not_found` when there is none. */
  async look(collection: string, signal: AbortSignal): Promise<ForeignLook> {
    const foreign = await this.#store().inspect(collection, false, signal);
    const attempt = (mode: Adoption["mode"]): Adoption | KennelError => {
      try {
        return adoptCollection(foreign, { collection, mode, fields: {} }, this.#context({}, "none"));
      } catch (thrown) {
        return toKennelError(thrown);
      }
    };
    const [read, write] = [attempt("read_only"), attempt("read_write")];
    if (read instanceof Error) return { foreign, adoption: null, problem: read, readOnlyBecause: null };
    return {
      foreign,
      adoption: write instanceof Error ? read : write,
      problem: null,
      readOnlyBecause: write instanceof Error ? write : null,
    };
  }

  /**
   * The settings with what adopting comes to. The same again needs no store.
   * @param known how the collection is adopted already; null: it is not
   * @throws KennelError `invalid_request`, naming the field, `not_found`, `unavailable`
   */
  async adopt(
    request: AdoptionRequest,
    settings: CollectionSettings,
    known: Adoption | null,
    signal: AbortSignal,
  ): Promise<CollectionSettings> {
    refuseOwnRows(settings);
    const adoption = known !== null && isTheSame(request, settings.attributes, known) ? this.#again(known, settings) : null;
    const adopt = adoption ?? (await this.#anew(request, settings, known, signal));
    // Parents are cut by Kennel and found by what a row says of them, which these rows do not.
    return { ...settings, chunking: { ...settings.chunking, parentTokens: 0 }, attributes: adopt.attributes, adopt };
  }

  #again(known: Adoption, { language }: CollectionSettings): Adoption {
    return { ...known, language, canEmbed: known.dimensions === this.#model.dimensions };
  }

  async #anew(
    request: AdoptionRequest,
    { attributes, language }: CollectionSettings,
    known: Adoption | null,
    signal: AbortSignal,
  ): Promise<Adoption> {
    const isKnown = known !== null && known.collection === request.collection;
    const fields = isKnown ? { ...known.fields, ...request.fields } : request.fields;
    const foreign = await this.#store().inspect(request.collection, true, signal);
    return adoptCollection(foreign, { ...request, fields }, this.#context(attributes, language));
  }

  #context(declared: AttributeSchema, language: string): AdoptionContext {
    return { declared, language, model: this.#model, maxCopiedRows: this.#maxCopiedRows };
  }

  #store(): ForeignCollections {
    if (this.#foreign !== null) return this.#foreign;
    const message =
      "This node keeps its vectors in LanceDB, where all collections are Kennel's; adopting needs a Milvus (KENNEL_MILVUS_URL)";
    throw kennelError("conflict", { param: "adopt", message });
  }
}

/** Settings that speak of rows as Kennel writes them. */
function refuseOwnRows({ ttlSeconds, resident }: CollectionSettings): void {
  const refuse = (param: string, given: unknown, allowed: string, why: string) =>
    kennelError("invalid_request", {
      param,
      message: `${param} is ${JSON.stringify(given)}; allowed for an adopted collection: ${allowed}, since ${why}`,
    });
  if (ttlSeconds !== null) throw refuse("ttl_seconds", ttlSeconds, "null", "its rows do not say when they were written");
  if (resident === "always") throw refuse("resident", resident, "auto, never", "others change it where it lies");
}

function isTheSame({ collection, mode, fields }: AdoptionRequest, declared: AttributeSchema, known: Adoption): boolean {
  const roles = Object.entries(fields) as [keyof AdoptedFields, string | null][];
  return (
    collection === known.collection &&
    mode === known.mode &&
    roles.every(([role, name]) => known.fields[role] === name) &&
    Object.entries(declared).every(([key, type]) => Object.hasOwn(known.attributes, key) && known.attributes[key] === type)
  );
}
