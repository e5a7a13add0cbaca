import type { Caller } from "../../../test/journeys/caller.ts";
import { chatOf, comeAndGo, documentsOf, type Models, OF_ANOTHER_MODEL, searchesOf } from "../../../test/journeys/everything_counted.ts";

/** With so many of each ten turns. */
const KEPT = { articles: 6, products: 3, questions: 1 } as const;
const PAUSE_MS = 150;
/** Turns after which a question comes again, so that caches have something to give. */
const QUESTIONS = 40;
/** A collection of its own, which is made and deleted, each so many turns. */
const PASSING_TURNS = 12;
/** A search of the wrong vector, and one that takes a full answer or none, each so many turns. */
const STRICT_TURNS = 5;
/** Shares of the time between which all models are away, so that the pictures show what that looks like. */
const OUTAGE = { from: 0.4, to: 0.55 } as const;

export interface UseOptions {
  readonly durationMs: number;
  readonly signal: AbortSignal;
  progress(doneMs: number, requests: number): void;
}

/** Uses a node one request after the other until the time is over; what is refused or fails is part of it. */
export async function useForAWhile(caller: Caller, models: Models, { durationMs, signal, progress }: UseOptions): Promise<void> {
  const startedMs = performance.now();
  let requests = 0;
  const send = async (method: string, path: string, body: unknown) => {
    requests += 1;
    await caller.send(method, path, body);
  };
  for (const name of Object.keys(KEPT)) await caller.makeCollection(name);
  for (let turn = 0; performance.now() - startedMs < durationMs; turn++) {
    signal.throwIfAborted();
    const share = (performance.now() - startedMs) / durationMs;
    const isAway = share >= OUTAGE.from && share < OUTAGE.to;
    models.beAway(isAway);
    await useOnce(send, turn);
    // Well before the outage and well after it: of a job that waits for its model nothing can be asked.
    if (turn % PASSING_TURNS === 0 && (share < OUTAGE.from || share > OUTAGE.to + 0.1)) await comeAndGo(caller, `passing_${turn}`);
    progress(performance.now() - startedMs, requests);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  models.beAway(false);
}

async function useOnce(send: (method: string, path: string, body: unknown) => Promise<void>, turn: number): Promise<void> {
  const places = Object.entries(KEPT).flatMap(([name, times]) => new Array<string>(times).fill(name));
  const name = places[turn % places.length] as string;
  const query = `hound ${turn % QUESTIONS}`;
  for (const documents of documentsOf(turn)) await send("POST", `/v1/collections/${name}/documents`, { documents });
  for (const search of searchesOf(query)) await send("POST", `/v1/collections/${name}/search`, search);
  await send("POST", "/v1/chat/completions", chatOf(name, query));
  if (turn % STRICT_TURNS > 0) return;
  await send("POST", `/v1/collections/${name}/search`, OF_ANOTHER_MODEL);
  await send("POST", `/v1/collections/${name}/search`, { query: `${query} ${turn}`, allow_degraded: false });
}
