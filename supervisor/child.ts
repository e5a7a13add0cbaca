import type { ActorRef, Behavior } from "./kernel/behavior.ts";
import type { Counts } from "./kernel/measurements.ts";
import type { PoolStats } from "./pool.ts";

/** Where a supervised child stands. `suspended` is the open breaker, `probing` the half-open one. Times are wall milliseconds. */
export type ChildState =
  /**
   * Its `start` is running. Work waits in the mailbox; after a suspension it is refused until the child is ready.
   * `attempt` counts from 1 since it was last ready.
   */
  | { readonly kind: "starting"; readonly attempt: number }
  | { readonly kind: "ready" }
  /** Callers are told `unavailable` at once, until the backoff has passed. */
  | { readonly kind: "suspended"; readonly untilMs: number; readonly cause: string }
  /** A new incarnation passes its health probe before it takes work. */
  | { readonly kind: "probing" }
  /** Finishing what it has; nothing new is taken. */
  | { readonly kind: "draining" }
  | { readonly kind: "stopped"; readonly reason: string };

/** Thresholds of one child; every field is a setting. */
export interface ChildLimits {
  /** Messages that wait in the work lane. @default 1000 */
  readonly mailboxCapacity: number;
  /** Asks taken and not yet settled. @default 32 */
  readonly maxInFlight: number;
  /** Restarts allowed within `restartPeriodMs` before the child is suspended. @default 5 */
  readonly restartIntensity: number;
  /** @default 30000 */
  readonly restartPeriodMs: number;
  /** Sliding window of the rates below. @default 10000 */
  readonly windowMs: number;
  /** Calls in the window below which no rate is judged. @default 20 */
  readonly minCalls: number;
  /** Failed calls that suspend, 0..1. Only `unavailable`, `internal` and `deadline_exceeded` count as failed. @default 0.5 */
  readonly maxFailureRatio: number;
  /** A call is slow beyond this. @default 5000 */
  readonly slowCallMs: number;
  /** Slow calls that suspend, 0..1. @default 0.8 */
  readonly maxSlowRatio: number;
  /** First suspension; doubles with each one in a row. @default 500 */
  readonly backoffMs: number;
  /** Cap of the suspension. @default 30000 */
  readonly maxBackoffMs: number;
  /** Time a health probe may take. @default 2000 */
  readonly probeTimeoutMs: number;
  /** Pause between probes of a ready child; 0: only after a suspension. @default 10000 */
  readonly probeIntervalMs: number;
  /** Failed probes in a row that suspend a ready child. @default 3 */
  readonly maxFailedProbes: number;
  /** Time `start` may take. @default 15000 */
  readonly startTimeoutMs: number;
  /** Time for own work in flight to end when stopping. @default 5000 */
  readonly stopGraceMs: number;
  /** After it a handler that still runs is let go and escalated. @default 10000 */
  readonly stopLimitMs: number;
}

export interface ChildSpec<State, Message> {
  /** Unique among its siblings: `[A-Za-z0-9_.:-]{1,128}`. */
  readonly name: string;
  /** What it is, for status and metrics: `retriever`, `vector_store`, `embedding`, `ingest`, `janitor`, … */
  readonly kind: string;
  readonly limits: ChildLimits;
  /** Makes the behaviour of one incarnation. */
  readonly behavior: () => Behavior<State, Message>;
  /** Work waits for a start this long, in ms; then it is refused, as while suspended, until the child is ready. @default as long as the start takes */
  readonly maxStartWaitMs?: number;
  /**
   * What its piped work waits for are services with breakers of their own: an ask that is slow or late in it says nothing
   * against the child. @default false
   */
  readonly waitsForServices?: boolean;
  /** A health probe against the running incarnation, on its control lane; absent: a started child is healthy. */
  readonly probe?: (actor: ActorRef<Message>, signal: AbortSignal) => Promise<void>;
  /** What the child has to say for itself in the status tree; cheap, since everyone who looks at the tree calls it. */
  readonly details?: () => Readonly<Record<string, unknown>>;
  /** The connections it holds; as cheap as `details`. */
  readonly pool?: () => PoolStats;
}

/** A child as its siblings see it: the same object through every restart. */
export interface Child<Message> extends ActorRef<Message> {
  readonly name: string;
  readonly kind: string;
  readonly state: ChildState;
  readonly breaker: StatusNode["breaker"];
  /** Resolves once `ready`; rejects with `unavailable` when it is stopped, or with the signal's reason. */
  whenReady(signal: AbortSignal): Promise<void>;
  /** Drains within its limits and removes the child from its supervisor. Idempotent. */
  stop(reason: string): Promise<void>;
  status(): StatusNode;
}

/** One node of the status tree, as `GET /v1/status` shows it. Times are ISO 8601, durations milliseconds unless named otherwise. */
export interface StatusNode {
  readonly path: string;
  readonly kind: string;
  readonly state: ChildState["kind"];
  readonly since: string;
  readonly incarnation: number;
  readonly restarts: { readonly count: number; readonly max: number; readonly window_s: number };
  readonly breaker: "closed" | "open" | "half_open";
  readonly mailbox: { readonly depth: number; readonly capacity: number; readonly oldest_ms: number };
  readonly in_flight: number;
  readonly latency_ms: { readonly p50: number; readonly p95: number; readonly p99: number };
  /** Messages since the child was spawned, by how they ended; absent for a supervisor. */
  readonly counts?: Counts;
  readonly next_probe_at: string | null;
  /** The failure's code and sentence; never a stack or a path. */
  readonly last_error: string | null;
  /** What the child itself has to say: index version, bytes. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** Its connections; absent where it keeps none. */
  readonly pool?: {
    readonly size: number;
    readonly idle: number;
    readonly in_use: number;
    readonly waiting: number;
    readonly limit: number;
    readonly max: number;
  };
  readonly children: readonly StatusNode[];
}

export interface SupervisionEvent {
  /** ISO 8601 */
  readonly at: string;
  readonly path: string;
  readonly event:
    | "started"
    | "crashed"
    | "restarted"
    | "suspended"
    | "probing"
    | "ready"
    | "probe_failed"
    | "draining"
    | "stopped"
    | "escalated"
    /** Of the process: it is above its high-water mark, and well below it again. */
    | "memory_high"
    | "memory_normal";
  readonly detail: string | null;
}
