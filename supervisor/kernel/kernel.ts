import type { Clock } from "../../runtime/clock.ts";
import { NO_TRACER, type Tracer } from "../../telemetry/tracing.ts";
import { Actor, type ActorObserver } from "./actor.ts";
import { Deadlines } from "./deadlines.ts";
import type { ActorLimits } from "./limits.ts";
import { createTurnSystem } from "./nact_bridge.ts";
import { Origins } from "./origins.ts";

interface ActorOptions {
  /** Unique among the living. */
  readonly path: string;
  /** What it is, as spans are named after it. @default "actor" */
  readonly kind?: string;
  readonly limits: ActorLimits;
  readonly observer: ActorObserver;
}

/** What all actors of a node share: nact's system, the clock, and one timer for all deadlines. */
export interface Kernel {
  readonly clock: Clock;
  /** Makes an address whose gate is closed and in which nothing lives yet. */
  createActor<Message>(options: ActorOptions): Actor<Message>;
  /** Lets go of the timer and of nact's system, once the actors are stopped. */
  stop(): void;
}

/** @param tracer sees what is asked and handled */
export function createKernel(clock: Clock, tracer: Tracer = NO_TRACER): Kernel {
  const system = createTurnSystem();
  const deadlines = new Deadlines(clock);
  const origins = new Origins();
  return {
    clock,
    createActor: <Message>(options: ActorOptions) =>
      new Actor<Message>({ kind: "actor", ...options, clock, deadlines, origins, system, tracer }),
    stop() {
      deadlines.stop();
      system.stop();
    },
  };
}
