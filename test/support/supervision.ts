import { seededRandom } from "../../runtime/random.ts";
import type { ChildLimits } from "../../supervisor/child.ts";
import type { ActorContext, Asks, Behavior } from "../../supervisor/kernel/behavior.ts";
import { createSupervisor, type Supervisor, type SupervisorOptions } from "../../supervisor/supervisor.ts";
import { createLogger } from "../../telemetry/logs.ts";
import { type ManualClock, manualClock } from "./manual_clock.ts";

/** Limits that a test can reckon with; `over` changes single ones. */
export function testLimits(over: Partial<ChildLimits> = {}): ChildLimits {
  return {
    mailboxCapacity: 10,
    maxInFlight: 2,
    restartIntensity: 5,
    restartPeriodMs: 30_000,
    windowMs: 10_000,
    minCalls: 4,
    maxFailureRatio: 0.5,
    slowCallMs: 1_000,
    maxSlowRatio: 0.8,
    backoffMs: 500,
    maxBackoffMs: 4_000,
    probeTimeoutMs: 200,
    probeIntervalMs: 0,
    maxFailedProbes: 3,
    startTimeoutMs: 1_000,
    stopGraceMs: 300,
    stopLimitMs: 900,
    ...over,
  };
}

export function startSupervisor(over: Partial<SupervisorOptions> = {}): { readonly supervisor: Supervisor; readonly clock: ManualClock } {
  const clock = manualClock();
  const logger = createLogger({ level: "silent", node: "test" });
  return { supervisor: createSupervisor({ name: "node", clock, random: seededRandom(7), logger, ...over }), clock };
}

/** Something a test can tell an actor to do. */
export type Order =
  | (Asks<number> & { readonly kind: "count" })
  | (Asks<never> & { readonly kind: "crash" })
  /** Answered with the given failure. */
  | (Asks<never> & { readonly kind: "fail"; readonly error: import("../../runtime/errors.ts").KennelError })
  /** Keeps the handler itself busy until `until` settles. */
  | (Asks<number> & { readonly kind: "hold"; readonly until: Promise<unknown> })
  /** Piped work that runs until `until` settles; then answered. */
  | (Asks<number> & { readonly kind: "work"; readonly until: Promise<unknown> })
  | { readonly kind: "worked"; readonly reply: (value: number) => boolean };

/** Counts its messages and does as it is ordered: the faults a test needs are messages, not hooks in production code. */
export function obedient(hooks: { readonly onStart?: () => Promise<void> | void; readonly onStop?: () => Promise<void> | void } = {}) {
  return (): Behavior<number, Order> => ({
    async start() {
      await hooks.onStart?.();
      return 0;
    },
    receive: (count, order, context) => obey(count + 1, order, context),
    async stop() {
      await hooks.onStop?.();
    },
  });
}

function obey(count: number, order: Order, context: ActorContext<Order>): number | Promise<number> {
  const ask = context.pendingAsk;
  switch (order.kind) {
    case "count":
      ask?.reply(count);
      return count;
    case "crash":
      throw new Error("ordered to crash");
    case "fail":
      ask?.fail(order.error);
      return count;
    case "hold":
      return order.until.then(() => {
        ask?.reply(count);
        return count;
      });
    case "work":
      context.pipe(
        () => order.until,
        () => ({ kind: "worked", reply: (value: number) => ask?.reply(value) ?? false }),
        ask ?? undefined,
      );
      return count;
    case "worked":
      order.reply(count);
      return count;
  }
}

/** How a promise stands, without waiting for it: call after `clock.flush()`. */
export function watch<Value>(promise: Promise<Value>): { readonly result: string | Value | null } {
  const seen: { result: string | Value | null } = { result: null };
  promise.then(
    (value) => {
      seen.result = value;
    },
    (error: unknown) => {
      seen.result = (error as { code?: string }).code ?? String(error);
    },
  );
  return seen;
}

/** A promise with its resolver outside. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}
