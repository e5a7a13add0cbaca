import type { ActorContext, Asks, Behavior } from "../../supervisor/kernel/behavior.ts";
import type { Mode } from "../retriever/search.ts";
import { type Health, type Hysteresis, isFailed, nextHealth } from "./health.ts";
import type { ModeBoard } from "./mode_board.ts";
import type { Residency, Role } from "./modes.ts";

// Invariants:
//   D1. Only the coordinator writes the board, in `receive`, so a view is never half of an old one and half of a new one.
//   D2. The operators' mode and the last judgement stand on the board, so a restart of the coordinator changes no mode.

export interface ModeChange {
  readonly residency: Residency;
  readonly from: Mode;
  readonly to: Mode;
  /** Roles that count as failed. */
  readonly failed: readonly Role[];
  readonly isForced: boolean;
}

export interface CoordinatorOptions {
  readonly board: ModeBoard;
  readonly hysteresis: Hysteresis;
  /** Pause between looks at the breakers. */
  readonly lookIntervalMs: number;
  readonly onChange: (change: ModeChange) => void;
}

interface LookMessage {
  readonly kind: "look";
}

/** Operators set a mode, or with null give it back to the table. Answered with the mode of what is not resident. */
interface ForceMessage extends Asks<Mode> {
  readonly kind: "force";
  readonly mode: Mode | null;
}

interface ProbeMessage extends Asks<true> {
  readonly kind: "probe";
}

export type CoordinatorMessage = LookMessage | ForceMessage | ProbeMessage;

export interface CoordinatorState {
  readonly health: ReadonlyMap<Role, Health>;
}

/** The actor that turns the services' breakers into modes. */
export function coordinator(options: CoordinatorOptions): Behavior<CoordinatorState, CoordinatorMessage> {
  const { board } = options;
  return {
    start(context) {
      lookLater(options, context);
      const roles = Object.keys(board.roster) as Role[];
      return { health: new Map(roles.map((role): [Role, Health] => [role, { kind: board.failed.has(role) ? "down" : "up" }])) }; // D2
    },

    receive(state, message, context) {
      switch (message.kind) {
        case "look": {
          const next = look(state, options, context.clock.monotonicMs());
          publish(options, new Set([...next.health].filter(([, health]) => isFailed(health)).map(([role]) => role)), board.forced);
          lookLater(options, context);
          return next;
        }
        case "force":
          publish(options, board.failed, message.mode);
          context.pendingAsk?.reply(board.read("store").mode);
          return state;
        case "probe":
          context.pendingAsk?.reply(true);
          return state;
      }
    },
  };
}

function look(state: CoordinatorState, { board, hysteresis }: CoordinatorOptions, nowMs: number): CoordinatorState {
  const health = new Map<Role, Health>();
  for (const [role, before] of state.health) {
    health.set(role, nextHealth(before, board.roster[role]?.isAvailable ?? true, nowMs, hysteresis));
  }
  return { health };
}

function publish({ board, onChange }: CoordinatorOptions, failed: ReadonlySet<Role>, forced: Mode | null): void {
  const isSame = forced === board.forced && failed.size === board.failed.size && [...failed].every((role) => board.failed.has(role));
  const before = { store: board.read("store").mode, resident: board.read("resident").mode };
  // What a degradation says of its breaker moves on between open and half open, so a failed set is published anew each time.
  if (isSame && failed.size === 0) return;
  board.publish(failed, forced);
  for (const residency of ["store", "resident"] as const) {
    const to = board.read(residency).mode;
    if (to !== before[residency]) onChange({ residency, from: before[residency], to, failed: [...failed], isForced: forced !== null });
  }
}

function lookLater({ lookIntervalMs }: CoordinatorOptions, context: ActorContext<CoordinatorMessage>): void {
  if (context.stopping.aborted) return;
  const timer = context.clock.setTimer(lookIntervalMs, () => context.self.tell({ kind: "look" }, { lane: "control" }));
  context.stopping.addEventListener("abort", () => timer.cancel(), { once: true });
}
