import type { Clock, Timer } from "../../runtime/clock.ts";
import type { StatusNode } from "../../supervisor/child.ts";
import type { ActorContext, Asks, Behavior } from "../../supervisor/kernel/behavior.ts";
import type { Mode } from "../retriever/search.ts";
import { Hysteresis } from "./hysteresis.ts";
import type { FailedService, FailedServices } from "./mode.ts";
import type { Role } from "./modes.ts";

/** A service as the coordinator sees it; `Service` of the supervisor is one. */
export interface WatchedService {
  readonly name: string;
  readonly isAvailable: boolean;
  readonly breaker: StatusNode["breaker"];
}

/** What pipelines read, without asking anyone. A new object is published for each change. */
export interface ModeSnapshot {
  /** Grows by one with each change. */
  readonly epoch: number;
  readonly failed: FailedServices;
  /** Set by an operator; it wins over what the services say. */
  readonly forcedMode: Mode | null;
  /** Wall time of the change, in ms. */
  readonly sinceMs: number;
}

export interface CoordinatorOptions {
  readonly clock: Clock;
  /** One service may stand in several roles. */
  readonly services: ReadonlyMap<Role, WatchedService>;
  /** Pause between two looks at the services, in ms. */
  readonly intervalMs: number;
  readonly failAfterMs: number;
  readonly recoverAfterMs: number;
  readonly onChange: (snapshot: ModeSnapshot, before: ModeSnapshot) => void;
}

export type CoordinatorMessage = { readonly kind: "look" } | ({ readonly kind: "force"; readonly mode: Mode | null } & Asks<ModeSnapshot>);

/** The place where the coordinator leaves its snapshot; reading it costs one property access. */
export interface ModeBoard {
  readonly current: ModeSnapshot;
}

const NOTHING_FAILED: FailedServices = new Map();

interface Watch {
  readonly role: Role;
  readonly service: WatchedService;
  readonly hysteresis: Hysteresis;
}

interface CoordinatorState {
  readonly watches: readonly Watch[];
}

/**
 * The degradation coordinator. It looks at the breakers of the services at an interval, believes a change after its
 * hysteresis, and publishes what has failed; pipelines work out their collection's mode from that. The board outlives
 * restarts of the actor, so a crash here changes no answer.
 */
export function createCoordinator(options: CoordinatorOptions): {
  readonly board: ModeBoard;
  readonly behavior: () => Behavior<CoordinatorState, CoordinatorMessage>;
} {
  const board = { current: { epoch: 0, failed: NOTHING_FAILED, forcedMode: null, sinceMs: options.clock.wallMs() } as ModeSnapshot };
  const publish = (change: Pick<ModeSnapshot, "failed" | "forcedMode">): void => {
    const before = board.current;
    board.current = { ...change, epoch: before.epoch + 1, sinceMs: options.clock.wallMs() };
    options.onChange(board.current, before);
  };
  return { board, behavior: () => new Coordinator(options, board, publish) };
}

class Coordinator implements Behavior<CoordinatorState, CoordinatorMessage> {
  readonly #options: CoordinatorOptions;
  readonly #board: ModeBoard;
  readonly #publish: (change: Pick<ModeSnapshot, "failed" | "forcedMode">) => void;
  #timer: Timer | null = null;

  constructor(options: CoordinatorOptions, board: ModeBoard, publish: (change: Pick<ModeSnapshot, "failed" | "forcedMode">) => void) {
    this.#options = options;
    this.#board = board;
    this.#publish = publish;
  }

  start(context: ActorContext<CoordinatorMessage>): CoordinatorState {
    const { failAfterMs, recoverAfterMs } = this.#options;
    const watches = [...this.#options.services].map(([role, service]) => ({
      role,
      service,
      hysteresis: new Hysteresis(failAfterMs, recoverAfterMs),
    }));
    this.#lookLater(context);
    return { watches };
  }

  receive(state: CoordinatorState, message: CoordinatorMessage, context: ActorContext<CoordinatorMessage>): CoordinatorState {
    if (message.kind === "force") {
      if (message.mode !== this.#board.current.forcedMode) {
        this.#publish({ failed: this.#board.current.failed, forcedMode: message.mode });
      }
      context.pendingAsk?.reply(this.#board.current);
      return state;
    }
    const failed = this.#look(state.watches);
    if (!sameFailures(failed, this.#board.current.failed)) this.#publish({ failed, forcedMode: this.#board.current.forcedMode });
    this.#lookLater(context);
    return state;
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #look(watches: readonly Watch[]): FailedServices {
    const nowMs = this.#options.clock.monotonicMs();
    const failed = new Map<Role, FailedService>();
    for (const { role, service, hysteresis } of watches) {
      if (hysteresis.observe(service.isAvailable, nowMs)) continue;
      failed.set(role, { service: service.name, breaker: service.breaker === "half_open" ? "half_open" : "open" });
    }
    return failed;
  }

  #lookLater(context: ActorContext<CoordinatorMessage>): void {
    this.#timer = this.#options.clock.setTimer(this.#options.intervalMs, () => {
      context.self.tell({ kind: "look" }, { lane: "control" });
    });
  }
}

function sameFailures(left: FailedServices, right: FailedServices): boolean {
  if (left.size !== right.size) return false;
  for (const [role, failure] of left) {
    const other = right.get(role);
    if (other === undefined || other.breaker !== failure.breaker || other.service !== failure.service) return false;
  }
  return true;
}
