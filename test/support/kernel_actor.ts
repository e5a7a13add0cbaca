import { kennelError } from "../../runtime/errors.ts";
import type { Actor, Gate } from "../../supervisor/kernel/actor.ts";
import type { Behavior } from "../../supervisor/kernel/behavior.ts";
import { createKernel, type Kernel } from "../../supervisor/kernel/kernel.ts";
import type { ActorLimits } from "../../supervisor/kernel/limits.ts";
import { type ManualClock, manualClock } from "./manual_clock.ts";

export const OPEN: Gate = { admits: "all", takesWork: true, refusal: () => kennelError("unavailable") };
/** Everything waits. */
export const HOLD: Gate = { admits: "all", takesWork: false, refusal: () => kennelError("unavailable") };

export interface ActorBench {
  readonly kernel: Kernel;
  readonly clock: ManualClock;
  /** Messages of what the observer heard of crashes. */
  readonly crashes: string[];
  /** Codes of what the observer heard of settled asks; null: an answer. */
  readonly outcomes: (string | null)[];
  actor<State, Message>(behavior: Behavior<State, Message>, limits?: Partial<ActorLimits>, path?: string): Actor<Message>;
}

/** Actors without supervision, on a clock moved by hand; begun and open. */
export function actorBench(): ActorBench {
  const clock = manualClock();
  const kernel = createKernel(clock);
  const crashes: string[] = [];
  const outcomes: (string | null)[] = [];
  return {
    kernel,
    clock,
    crashes,
    outcomes,
    actor<State, Message>(behavior: Behavior<State, Message>, limits: Partial<ActorLimits> = {}, path = "node/actor") {
      const actor = kernel.createActor<Message>({
        path,
        limits: { mailboxCapacity: 4, controlCapacity: 2, maxInFlight: 2, slowCallMs: 1_000, ...limits },
        observer: { crashed: (error) => crashes.push(String(error)), settled: (code) => outcomes.push(code), stopFailed() {} },
      });
      actor.setGate(OPEN);
      void actor.begin(behavior);
      return actor;
    },
  };
}
