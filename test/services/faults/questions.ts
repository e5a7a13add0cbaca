import * as assert from "uvu/assert";
import type { SearchAnswer } from "../../../actors/retriever/search.ts";
import type { WireError } from "../../../bridge/schema/errors.ts";
import type { WireJob } from "../../../bridge/schema/jobs.ts";
import type { Caller, Reply } from "../../journeys/caller.ts";

/** Deadlines as callers send them, in ms. */
const DEADLINE_MS = 2_000;
const WRITE_DEADLINE_MS = 5_000;
/** What the way there and back may take on a busy machine; a call that waits for a dead service takes far longer. */
const MARGIN_MS = 1_000;

/** Searched in its store. */
export const STORED = "stored";
/** Searched in memory. */
export const RESIDENT = "resident";
export const SEED = "seed";

/** What became of one request. */
export interface Outcome {
  readonly status: number;
  /** An error's code, a search's mode; else empty. */
  readonly word: string;
  /** Stages that a search did without. */
  readonly without: readonly string[];
}

/** Asks as applications do, with deadlines, and no question twice. Every answer is checked to have come in time. */
export class Questions {
  caller: Caller;
  /** The longest that an answer took, in ms. */
  slowestMs = 0;
  readonly #about: string;
  #asked = 0;

  /** @param about in every question, so that none of them was asked by another: its vector would be known to Redis */
  constructor(caller: Caller, about: string) {
    this.caller = caller;
    this.#about = about;
  }

  search(collection: string, more: Readonly<Record<string, unknown>> = {}): Promise<Outcome> {
    const body = { query: `water ${this.#about} number ${++this.#asked}`, ...more };
    return this.#outcome("POST", `/v1/collections/${collection}/search`, body, DEADLINE_MS);
  }

  read(): Promise<Outcome> {
    return this.#outcome("GET", `/v1/collections/${STORED}/documents/${SEED}`, undefined, DEADLINE_MS);
  }

  /** @returns the job too, where it was accepted */
  async write(id: string): Promise<{ readonly outcome: Outcome; readonly job: WireJob | null }> {
    const body = { documents: [{ id, text: textOf(id) }] };
    const reply = await this.#timed<WireJob>("POST", `/v1/collections/${STORED}/documents`, body, WRITE_DEADLINE_MS);
    return { outcome: outcomeOf(reply), job: reply.status < 300 ? reply.body : null };
  }

  /** Whether it is there in each of the services that keep it. */
  async finds(id: string): Promise<boolean> {
    const { caller } = this;
    const document = await caller.send("GET", `/v1/collections/${STORED}/documents/${id}`);
    const near = await caller.found(STORED, { query: textOf(id), strategy: "vector", top_k: 1 });
    const named = await caller.found(STORED, { query: wordOf(id), strategy: "bm25" });
    return document.status === 200 && near[0] === id && named.includes(id);
  }

  async #outcome(method: string, path: string, body: unknown, deadlineMs: number): Promise<Outcome> {
    return outcomeOf(await this.#timed<object>(method, path, body, deadlineMs));
  }

  async #timed<Body>(method: string, path: string, body: unknown, deadlineMs: number): Promise<Reply<Body>> {
    const startedMs = performance.now();
    const reply = await this.caller.send<Body>(method, path, body, { "x-request-timeout-ms": String(deadlineMs) });
    const tookMs = performance.now() - startedMs;
    assert.ok(tookMs <= deadlineMs + MARGIN_MS, `${method} ${path} took ${Math.round(tookMs)} ms, its deadline was ${deadlineMs} ms`);
    this.slowestMs = Math.max(this.slowestMs, tookMs);
    return reply;
  }
}

type Answer = Partial<SearchAnswer> & Partial<WireError>;

function outcomeOf({ status, body }: Reply<object>): Outcome {
  const { mode, degradations, error }: Answer = body;
  const without = [...new Set((degradations ?? []).map(({ stage }) => stage))].sort();
  return { status, word: error?.code ?? mode ?? "", without };
}

/** A word that no other document has. */
function wordOf(id: string): string {
  return `word${id.replaceAll(/[^a-z0-9]/g, "")}`;
}

export function textOf(id: string): string {
  return `Cold water and the ${wordOf(id)}.`;
}

/** Nothing was decided yet: a call was under way when the breaker opened, or met its deadline before. */
const UNDECIDED = ["503 unavailable", "504 deadline_exceeded"];

/** Outcomes as the table says them, each once; every search has its mode. */
export function told(outcomes: readonly Outcome[]): string {
  return [...new Set(outcomes.map(({ status, word, without }) => [`${status} ${word}`.trim(), ...missing(without)].join(" ")))]
    .sort()
    .join(" or ");
}

/**
 * The same for those that came while a fault was still being found out, of which some came too early to be touched by it.
 * The mode follows the breaker, so it is left out.
 */
export function atFirst(outcomes: readonly Outcome[]): string {
  const texts = new Set(
    outcomes.map(({ status, word, without }) => (status < 300 ? ["200", ...missing(without)].join(" ") : `${status} ${word}`)),
  );
  if (texts.size > 1) texts.delete("200");
  const decided = [...texts].filter((text) => !UNDECIDED.includes(text));
  return decided.length > 0 ? decided.sort().join(" or ") : "503 or 504";
}

function missing(without: readonly string[]): readonly string[] {
  return without.length === 0 ? [] : [`without ${without.join(", ")}`];
}
