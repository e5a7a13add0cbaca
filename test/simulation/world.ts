import { type Clock, sleepOn, type Timer } from "../../runtime/clock.ts";
import { type Random, seededRandom } from "../../runtime/random.ts";

interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** Simulated time: events in order of their time, then of their making. One seed, one history. */
export class World {
  readonly random: Random;
  readonly #heap: Event[] = [];
  #nowMs = 0;
  #orders = 0;
  #steps = 0;

  constructor(seed: number) {
    this.random = seededRandom(seed);
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  get steps(): number {
    return this.#steps;
  }

  at(delayMs: number, run: () => void): void {
    push(this.#heap, { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#orders++, run });
  }

  /** Runs what is due until `endMs`; `check` after every step. */
  runUntil(endMs: number, check: () => void): void {
    for (let next = this.#heap[0]; next !== undefined && next.atMs <= endMs; next = this.#heap[0]) {
      pop(this.#heap);
      this.#nowMs = next.atMs;
      this.#steps += 1;
      next.run();
      check();
    }
    this.#nowMs = endMs;
  }

  /** Exponentially distributed, at most ten times the mean. */
  exponential(meanMs: number): number {
    return Math.min(10 * meanMs, -Math.log(1 - this.random.next()) * meanMs);
  }

  between(low: number, high: number): number {
    return low + this.random.next() * (high - low);
  }

  pick<Item>(items: readonly Item[]): Item | undefined {
    return items[Math.floor(this.random.next() * items.length)];
  }
}

/** A process as the system sees it: it can be stopped and continued, and what falls due meanwhile happens when it goes on. */
export class Process {
  readonly #world: World;
  readonly #held: (() => void)[] = [];
  /** Added to the wall clock: it may jump. */
  wallOffsetMs = 0;
  #state: "running" | "paused" | "dead" = "running";

  constructor(world: World) {
    this.#world = world;
  }

  get isRunning(): boolean {
    return this.#state === "running";
  }

  get isDead(): boolean {
    return this.#state === "dead";
  }

  pause(): void {
    if (this.#state === "running") this.#state = "paused";
  }

  resume(): void {
    if (this.#state !== "paused") return;
    this.#state = "running";
    for (const run of this.#held.splice(0)) this.at(0, run);
  }

  kill(): void {
    this.#state = "dead";
    this.#held.length = 0;
  }

  at(delayMs: number, run: () => void): void {
    this.#world.at(delayMs, () => this.#run(run));
  }

  readonly clock: Clock = {
    monotonicMs: () => this.#world.nowMs,
    wallMs: () => 1_767_225_600_000 + this.#world.nowMs + this.wallOffsetMs,
    setTimer: (delayMs, callback) => this.#setTimer(delayMs, callback),
    sleep: (durationMs, signal) => sleepOn((delayMs, callback) => this.#setTimer(delayMs, callback), durationMs, signal),
  };

  #setTimer(delayMs: number, callback: () => void): Timer {
    let isCancelled = false;
    this.at(delayMs, () => {
      if (!isCancelled) callback();
    });
    return {
      cancel: () => {
        isCancelled = true;
      },
    };
  }

  #run(run: () => void): void {
    if (this.#state === "running") run();
    else if (this.#state === "paused") this.#held.push(run);
  }
}

function isBefore(event: Event, other: Event): boolean {
  return event.atMs === other.atMs ? event.order < other.order : event.atMs < other.atMs;
}

function push(heap: Event[], event: Event): void {
  let at = heap.length;
  heap.push(event);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    const above = heap[parent] as Event;
    if (!isBefore(event, above)) break;
    heap[at] = above;
    at = parent;
  }
  heap[at] = event;
}

function pop(heap: Event[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && isBefore(heap[child + 1] as Event, heap[child] as Event)) child += 1;
    if (!isBefore(heap[child] as Event, last)) break;
    heap[at] = heap[child] as Event;
    at = child;
  }
  heap[at] = last;
}
