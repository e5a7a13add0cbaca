import type { Mode } from "../../actors/retriever/search.ts";
import { pause } from "./kennel_client.ts";

/** What can be taken away: services as the status tree names them. */
export type Taken = "language_model" | "reranker" | "embedding" | "vector_store" | "lexical_index";

/** A collection that is searched all the while: `stored` asks its store, `held` answers from memory. */
const COLLECTIONS = ["stored", "held"] as const;
type Searched = (typeof COLLECTIONS)[number];

export interface ModeStep {
  /** Where the last step has left everything else. */
  readonly takes: readonly Taken[];
  readonly gives: readonly Taken[];
  readonly expected: Readonly<Record<Searched, Mode>>;
}

export interface ModeWorld {
  /** Of the node. */
  readonly url: string;
  take(service: Taken): Promise<void>;
  giveBack(service: Taken): Promise<void>;
  /**
   * Wall time in ms at which the service's breaker opened first, or closed last, after `afterMs`; null: not yet. A service
   * that comes back may stumble, and is believed from its last recovery on.
   */
  decidedMs(service: Taken, isAway: boolean, afterMs: number): Promise<number | null>;
}

export interface StepResult {
  /** `− reranker`, `+ embedding` */
  readonly change: string;
  readonly collection: Searched;
  readonly before: Mode;
  readonly expected: Mode;
  /** From the change to the probe that decided it. */
  readonly noticedMs: number;
  /** From that probe to when a question was asked whose answer was in the right mode, as all later ones were. */
  readonly rightMs: number;
  /** Times that the mode of the answers changed. */
  readonly changes: number;
  /** The modes that were seen, in their order. */
  readonly seen: readonly Mode[];
  readonly queries: number;
  /** Queries that had something left to answer from, and failed. */
  readonly failed: number;
}

const DECISION_LIMIT_MS = 30_000;
const PAUSE_MS = 25;
/** Asked again and again, so that its answer is kept. */
const KNOWN_QUESTION = "what is known of water";

interface Sample {
  readonly sentMs: number;
  readonly endedMs: number;
  /** A question that was answered before, or one that nobody has asked. */
  readonly isKnown: boolean;
  /** Null: it failed. */
  readonly mode: Mode | null;
}

/**
 * Takes services away and gives them back while collections are searched, and says when the mode of the answers followed.
 * @param watchMs how long each mode is watched, from the probe that decides it on
 * @throws Error when a mode is not reached within half a minute
 */
export async function runModes(
  world: ModeWorld,
  steps: readonly ModeStep[],
  watchMs: number,
  onStep: (step: string) => void = () => {},
): Promise<readonly StepResult[]> {
  const away = new Set<Taken>();
  const results: StepResult[] = [];
  let before: Readonly<Record<Searched, Mode>> = { stored: "full", held: "full" };
  for (const step of steps) {
    const change = [...step.takes.map((name) => `− ${name}`), ...step.gives.map((name) => `+ ${name}`)].join(", ");
    onStep(change);
    const awayBefore = new Set(away);
    const watch = COLLECTIONS.map((collection) => new Sampler(world.url, collection));
    const changedMs = now();
    for (const service of step.takes) away.add(service);
    await Promise.all([...step.takes.map((service) => world.take(service)), ...step.gives.map((service) => world.giveBack(service))]);
    for (const service of step.gives) away.delete(service);
    await decision(world, step, changedMs);
    for (const sampler of watch) await sampler.reaches(step.expected[sampler.collection], change);
    const decidedMs = await decision(world, step, changedMs);
    await pause(Math.max(0, decidedMs + watchMs - now()));
    for (const sampler of watch) {
      const samples = await sampler.stop();
      const expected = step.expected[sampler.collection];
      const isNothingLeft = nothingLeft(sampler.collection, new Set([...awayBefore, ...away]));
      results.push(judge(samples, { change, collection: sampler.collection, before: before[sampler.collection], expected, changedMs, decidedMs, isNothingLeft })); // biome-ignore format: one call
    }
    before = step.expected;
  }
  return results;
}

/** When the last of the step's services was decided. */
async function decision(world: ModeWorld, { takes, gives }: ModeStep, changedMs: number): Promise<number> {
  let lastMs = changedMs;
  for (const [services, isAway] of [
    [takes, true],
    [gives, false],
  ] as const) {
    for (const service of services) {
      for (;;) {
        const decidedMs = await world.decidedMs(service, isAway, changedMs);
        if (decidedMs !== null) {
          lastMs = Math.max(lastMs, decidedMs);
          break;
        }
        if (now() - changedMs > DECISION_LIMIT_MS) throw new Error(`Nothing was decided about ${service} within ${DECISION_LIMIT_MS} ms`);
        await pause(PAUSE_MS);
      }
    }
  }
  return lastMs;
}

/** Whether a question that nobody has asked has nothing left to be answered from while these are away. */
function nothingLeft(collection: Searched, away: ReadonlySet<Taken>): boolean {
  const isHeld = collection === "held";
  const hasVectors = (isHeld || !away.has("vector_store")) && !away.has("embedding");
  const hasTexts = isHeld || !away.has("lexical_index");
  return !hasVectors && !hasTexts;
}

interface Frame extends Pick<StepResult, "change" | "collection" | "before" | "expected"> {
  readonly changedMs: number;
  readonly decidedMs: number;
  /** Questions that nobody has asked may fail. */
  readonly isNothingLeft: boolean;
}

function judge(samples: readonly Sample[], { changedMs, decidedMs, isNothingLeft, ...frame }: Frame): StepResult {
  const hasKept = frame.expected !== "down" && frame.before !== "down";
  const failed = samples.filter(({ mode, isKnown }) => mode === null && (isKnown ? hasKept : !isNothingLeft)).length;
  // What is stale was known before; where nothing is left the failure is the mode.
  const seen = samples
    .filter(({ isKnown }) => isKnown === (frame.expected === "stale"))
    .map(({ endedMs, sentMs, mode }) => ({ sentMs, endedMs, mode: mode ?? (isNothingLeft ? ("down" as const) : null) }));
  const answered = seen.filter(({ mode }) => mode !== null);
  const lastWrong = answered.findLast(({ mode }) => mode !== frame.expected);
  const right = answered.find(({ mode, endedMs }) => mode === frame.expected && (lastWrong === undefined || endedMs > lastWrong.endedMs));
  const modes = answered.flatMap(({ mode }) => (mode === null ? [] : [mode]));
  const inOrder = modes.filter((mode, at) => at === 0 || mode !== modes[at - 1]);
  return {
    ...frame,
    noticedMs: decidedMs - changedMs,
    rightMs: right === undefined ? Number.POSITIVE_INFINITY : Math.max(0, right.sentMs - Math.max(decidedMs, changedMs)),
    changes: Math.max(0, inOrder.length - 1),
    seen: inOrder,
    queries: samples.length,
    failed,
  };
}

/** Asks one collection, one question after the other, until it is stopped. */
class Sampler {
  readonly collection: Searched;
  readonly #url: string;
  readonly #samples: Sample[] = [];
  readonly #running: Promise<void>;
  #isStopped = false;

  constructor(url: string, collection: Searched) {
    this.collection = collection;
    this.#url = url;
    this.#running = this.#run();
  }

  /** Resolves once its latest question that tells was answered in this mode. */
  async reaches(mode: Mode, change: string): Promise<void> {
    const limitMs = now() + DECISION_LIMIT_MS;
    const last = () => this.#samples.findLast(({ isKnown }) => isKnown === (mode === "stale"));
    while (last()?.mode !== (mode === "down" ? null : mode)) {
      if (now() > limitMs) throw new Error(`${change}: ${this.collection} is ${last()?.mode ?? "failing"}, not ${mode}`);
      await pause(PAUSE_MS);
    }
  }

  async stop(): Promise<readonly Sample[]> {
    this.#isStopped = true;
    await this.#running;
    return this.#samples;
  }

  async #run(): Promise<void> {
    for (let number = 0; !this.#isStopped; number++) {
      const isKnown = number % 2 === 0;
      const sentMs = now();
      const mode = await ask(this.#url, this.collection, isKnown ? KNOWN_QUESTION : `water ${Math.random()}`);
      this.#samples.push({ sentMs, endedMs: now(), isKnown, mode });
      await pause(PAUSE_MS);
    }
  }
}

/** The answer's mode; null: it failed, or had no hit. */
async function ask(url: string, collection: string, query: string): Promise<Mode | null> {
  const response = await fetch(`${url}/v1/collections/${collection}/search`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-request-timeout-ms": "5000" },
    body: JSON.stringify({ query, top_k: 3 }),
  });
  const answer = (await response.json()) as { readonly mode?: Mode; readonly data?: readonly unknown[] };
  return response.ok && (answer.data?.length ?? 0) > 0 ? (answer.mode ?? null) : null;
}

/** A service away and back, again and again, each time too shortly to be believed back. @returns how often the mode changed */
export async function runEdge(world: ModeWorld, service: Taken, times: number, halfMs: number, settled: Mode): Promise<number> {
  const sampler = new Sampler(world.url, "stored");
  for (let time = 0; time < times; time++) {
    await world.take(service);
    await pause(halfMs);
    await world.giveBack(service);
    await pause(halfMs);
  }
  const limitMs = now() + DECISION_LIMIT_MS;
  while ((await ask(world.url, "stored", `water ${Math.random()}`)) !== settled) {
    if (now() > limitMs) throw new Error(`The mode has not become ${settled} again`);
    await pause(PAUSE_MS);
  }
  const modes = (await sampler.stop()).filter(({ isKnown }) => !isKnown).map(({ mode }) => mode);
  return modes.filter((mode, at) => at > 0 && mode !== modes[at - 1]).length;
}

/** Resolves once the question that is asked again and again is answered in full. */
export async function beginsInFull(url: string): Promise<void> {
  const limitMs = now() + DECISION_LIMIT_MS;
  for (const collection of COLLECTIONS) {
    while ((await ask(url, collection, KNOWN_QUESTION)) !== "full") {
      if (now() > limitMs) throw new Error(`${collection} does not begin in full`);
      await pause(PAUSE_MS);
    }
  }
}

/** Wall time with parts of a ms. */
function now(): number {
  return performance.timeOrigin + performance.now();
}
