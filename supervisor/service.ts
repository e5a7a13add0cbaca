import { type KennelError, toKennelError } from "../runtime/errors.ts";
import type { ChildLimits, StatusNode } from "./child.ts";
import type { Asks, Behavior, PendingAsk } from "./kernel/behavior.ts";
import type { PoolStats } from "./pool.ts";
import type { Supervisor } from "./supervisor.ts";

export interface CallOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** An external resource (a store, a model, a cache) owned by a supervised actor: its pool, health, reconnects and breaker. */
export interface Service<Resource> {
  readonly name: string;
  /** False while its breaker is open or half open: a call would be refused at once. */
  readonly isAvailable: boolean;
  readonly breaker: StatusNode["breaker"];
  /** What a call would be told now, with the cause and when to come back; null while work is taken. */
  readonly refusal: KennelError | null;
  /**
   * Runs `work` on the resource, within the actor's bounds. Rejects with what `work` threw as a `KennelError`, or with
   * `unavailable` (at once, with `retryAfterMs`, while suspended), `overloaded`, `deadline_exceeded`, `cancelled`.
   */
  call<Result>(work: (resource: Resource, signal: AbortSignal) => Promise<Result>, options: CallOptions): Promise<Result>;
  whenReady(signal: AbortSignal): Promise<void>;
  /** Finishes the calls in flight, closes the resource and leaves the tree. Idempotent. */
  stop(reason: string): Promise<void>;
}

export interface ServiceSpec<Resource> {
  readonly name: string;
  readonly kind: string;
  readonly limits: ChildLimits;
  /** Opens the resource for one incarnation. A failure suspends the service, which tries again by itself. */
  open(signal: AbortSignal): Promise<Resource>;
  /** Called once for everything that `open` gave, also when that came too late. */
  close(resource: Resource): Promise<void>;
  /** Rejects when the resource is not fit for work. */
  probe(resource: Resource, signal: AbortSignal): Promise<void>;
  readonly details?: () => Readonly<Record<string, unknown>>;
  /** The connections of the client that is open now, or was last. */
  readonly pool?: () => PoolStats;
}

/** Whatever it takes to answer, a first opening that is longer is taken for an outage. */
const MAX_START_WAIT_MS = 5_000;

/** Something to do with the resource, answered with what it gives. */
interface Call<Resource> extends Asks<unknown> {
  readonly kind: "call";
  readonly work: (resource: Resource, signal: AbortSignal) => Promise<unknown>;
}

type ServiceMessage<Resource> = Call<Resource> | { readonly kind: "ended" };

/**
 * Puts a resource under supervision. Calls wait for its first opening, as long as a call may take before it is slow and for
 * 5 s at most; after that they are refused until it is open. Whether a call's failure counts against the breaker is said by its code: only
 * `unavailable`, `internal` (and with it every foreign error) and `deadline_exceeded` do.
 */
export function superviseService<Resource>(supervisor: Supervisor, spec: ServiceSpec<Resource>): Service<Resource> {
  const { probeTimeoutMs } = spec.limits;
  const child = supervisor.spawn<Resource, ServiceMessage<Resource>>({
    name: spec.name,
    kind: spec.kind,
    limits: spec.limits,
    maxStartWaitMs: Math.min(spec.limits.slowCallMs, MAX_START_WAIT_MS),
    behavior: () => serviceBehavior(spec),
    probe: async (actor, signal) => {
      await actor.ask<unknown>({ kind: "call", work: spec.probe.bind(spec) }, { timeoutMs: probeTimeoutMs, signal });
    },
    ...(spec.details === undefined ? {} : { details: spec.details }),
    ...(spec.pool === undefined ? {} : { pool: spec.pool }),
  });
  return {
    name: spec.name,
    get isAvailable() {
      return child.breaker === "closed" && child.state.kind !== "stopped" && child.state.kind !== "draining";
    },
    get breaker() {
      return child.breaker;
    },
    get refusal() {
      return child.refusal;
    },
    call: <Result>(work: (resource: Resource, signal: AbortSignal) => Promise<Result>, options: CallOptions) =>
      child.ask<Result>({ kind: "call", work } as ServiceMessage<Resource> & Asks<Result>, options),
    whenReady: (signal) => child.whenReady(signal),
    stop: (reason) => child.stop(reason),
  };
}

function serviceBehavior<Resource>(spec: ServiceSpec<Resource>): Behavior<Resource, ServiceMessage<Resource>> {
  return {
    start: (context) => spec.open(context.stopping),
    receive(resource, message, context) {
      const ask = context.pendingAsk;
      if (message.kind === "call" && ask !== null) {
        context.pipe((signal) => answer(ask, () => message.work(resource, signal)), ENDED, ask);
      }
      return resource;
    },
    stop: (resource) => spec.close(resource),
  };
}

const ENDED = () => ({ kind: "ended" }) as const;

/** Answers as soon as the work is done: a resource has no state of ours that its outcome would have to pass through. */
async function answer(ask: PendingAsk, work: () => Promise<unknown>): Promise<void> {
  try {
    ask.reply(await work());
  } catch (error) {
    ask.fail(toKennelError(error));
  }
}
