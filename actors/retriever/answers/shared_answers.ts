// Invariants:
//   S1. Slowness, absence and nonsense of the store are a miss, never an error: the question is worked out instead.
//   S2. Nobody waits for a write; beyond `maxOpenWrites`, and while the store is away, an answer is not shared, and counted.
//   S3. An answer is given only for the key and the index version that it was kept under.
import { hash } from "node:crypto";
import type { Service } from "../../../supervisor/service.ts";
import type { EncodedAnswer } from "../search.ts";
import { packAnswer, unpackAnswer } from "./answer_bytes.ts";

/** Bytes by key that may be forgotten at any time. */
export interface AnswerStore {
  /** One entry a key, in order; null: it is not there. */
  read(keys: readonly string[]): Promise<readonly (Buffer | null)[]>;
  write(entries: readonly { readonly key: string; readonly bytes: Buffer }[]): Promise<void>;
}

export interface SharedAnswerOptions {
  /** Longest that a question waits for the store. */
  readonly readTimeoutMs: number;
  readonly writeTimeoutMs: number;
  readonly maxOpenWrites: number;
  /** Larger answers are not shared. */
  readonly maxAnswerBytes: number;
}

export interface SharedAnswerStats {
  readonly hits: number;
  readonly misses: number;
  /** Not looked for in time, or at all. */
  readonly unanswered: number;
  readonly written: number;
  readonly droppedWrites: number;
}

/** Never aborts: a write belongs to no caller. */
const UNCANCELLED = new AbortController().signal;

/** Finished answers that outlive the process and that nodes share, for the collections that say so. */
export class SharedAnswers {
  readonly #service: Service<AnswerStore>;
  readonly #options: SharedAnswerOptions;
  readonly #counts = { hits: 0, misses: 0, unanswered: 0, written: 0, droppedWrites: 0 };
  #openWrites = 0;

  constructor(service: Service<AnswerStore>, options: SharedAnswerOptions) {
    this.#service = service;
    this.#options = options;
  }

  get stats(): SharedAnswerStats {
    return { ...this.#counts };
  }

  /** @param key of `answerKey`, which holds all that decides the answer but the index version. Never rejects (S1). */
  async find(key: string, indexVersion: number, signal: AbortSignal): Promise<EncodedAnswer | null> {
    const name = nameOf(key, indexVersion);
    const timeoutMs = this.#options.readTimeoutMs;
    if (!this.#service.isAvailable) return this.#missed("unanswered");
    try {
      const [bytes] = await this.#service.call((store) => store.read([name]), { timeoutMs, signal });
      const answer = bytes == null ? null : unpackAnswer(bytes);
      if (answer === null || answer.rest.index_version !== indexVersion) return this.#missed("misses");
      this.#counts.hits++;
      return answer;
    } catch {
      return this.#missed("unanswered");
    }
  }

  /** In the background (S2). */
  keep(key: string, answer: EncodedAnswer): void {
    const { writeTimeoutMs, maxOpenWrites, maxAnswerBytes } = this.#options;
    if (!this.#service.isAvailable || this.#openWrites >= maxOpenWrites || answer.hits.length > maxAnswerBytes) {
      this.#counts.droppedWrites++;
      return;
    }
    this.#openWrites++;
    const entry = { key: nameOf(key, answer.rest.index_version), bytes: packAnswer(answer) };
    this.#service
      .call((store) => store.write([entry]), { timeoutMs: writeTimeoutMs, signal: UNCANCELLED })
      .then(
        () => this.#counts.written++,
        () => this.#counts.droppedWrites++,
      )
      .finally(() => this.#openWrites--);
  }

  #missed(how: "misses" | "unanswered"): null {
    this.#counts[how]++;
    return null;
  }
}

/** S3; a key may be as long as its question. */
function nameOf(key: string, indexVersion: number): string {
  return hash("sha256", `${indexVersion} ${key}`, "base64url");
}
