import type { Clock } from "../../runtime/clock.ts";
import type { Mode } from "../retriever/search.ts";
import type { ModeSnapshot } from "./coordinator.ts";
import { decideMode } from "./mode.ts";

/** Changes that are kept for who comes later. */
const KEPT_CHANGES = 50;

/** A change of the mode that collections in the store have, or of what has failed. */
export interface ModeChange {
  /** ISO 8601 */
  readonly at: string;
  readonly mode: Mode;
  /** What it was until then. */
  readonly before: Mode;
  /** Whether an operator has set it. */
  readonly is_forced: boolean;
  /** Services that had failed then, each once. */
  readonly failed: readonly string[];
}

/** What became of the mode: the last 50 changes, and how often each mode was entered. */
export class ModeLog {
  readonly #clock: Clock;
  readonly #hasCachedAnswers: boolean;
  readonly #entered = new Map<Mode, number>();
  #changes: ModeChange[] = [];

  constructor(clock: Clock, hasCachedAnswers: boolean) {
    this.#clock = clock;
    this.#hasCachedAnswers = hasCachedAnswers;
  }

  /** Oldest first. */
  get recent(): readonly ModeChange[] {
    return this.#changes;
  }

  /** Times that each mode was entered since the start. */
  get entered(): ReadonlyMap<Mode, number> {
    return this.#entered;
  }

  note(now: ModeSnapshot, before: ModeSnapshot): ModeChange {
    const mode = this.#modeOf(now);
    const change: ModeChange = {
      at: new Date(this.#clock.wallMs()).toISOString(),
      mode,
      before: this.#modeOf(before),
      is_forced: now.forcedMode !== null,
      failed: [...new Set([...now.failed.values()].map(({ service }) => service))],
    };
    if (mode !== change.before) this.#entered.set(mode, (this.#entered.get(mode) ?? 0) + 1);
    this.#changes = [...this.#changes.slice(1 - KEPT_CHANGES), change];
    return change;
  }

  #modeOf({ forcedMode, failed }: ModeSnapshot): Mode {
    return forcedMode ?? decideMode(failed, { residency: "store", hasCachedAnswers: this.#hasCachedAnswers });
  }
}
