import type { Clock, Timer } from "../runtime/clock.ts";
import type { ChildLimits } from "./child.ts";
import { withinLimit } from "./time_limit.ts";

export interface ProbeListener {
  failed(error: unknown): void;
  /** `maxFailedProbes` failed in a row; the probes have stopped. */
  gaveUp(error: unknown): void;
}

/** The health probes of one child: one at a time, each within its time, at their interval while the child is ready. */
export class Probes {
  readonly #clock: Clock;
  readonly #limits: Pick<ChildLimits, "probeTimeoutMs" | "probeIntervalMs" | "maxFailedProbes">;
  readonly #probe: (signal: AbortSignal) => Promise<void>;
  readonly #listener: ProbeListener;
  #timer: Timer | null = null;
  #nextAtMs: number | null = null;
  #failedInRow = 0;
  /** Changes with `stop`, so that a probe that was under way then says nothing. */
  #round = 0;

  constructor(
    clock: Clock,
    limits: Pick<ChildLimits, "probeTimeoutMs" | "probeIntervalMs" | "maxFailedProbes">,
    probe: (signal: AbortSignal) => Promise<void>,
    listener: ProbeListener,
  ) {
    this.#clock = clock;
    this.#limits = limits;
    this.#probe = probe;
    this.#listener = listener;
  }

  /** Milliseconds until the next probe; null when none is planned. */
  get nextInMs(): number | null {
    return this.#nextAtMs === null ? null : Math.max(0, this.#nextAtMs - this.#clock.monotonicMs());
  }

  /** One probe now; rejects when it fails or takes too long. */
  once(): Promise<void> {
    const { probeTimeoutMs } = this.#limits;
    return withinLimit(this.#clock, probeTimeoutMs, `Health probe took longer than ${probeTimeoutMs} ms`, this.#probe);
  }

  start(): void {
    this.stop();
    this.#failedInRow = 0;
    this.#plan(this.#round);
  }

  stop(): void {
    this.#round++;
    this.#timer?.cancel();
    this.#timer = null;
    this.#nextAtMs = null;
  }

  #plan(round: number): void {
    const { probeIntervalMs } = this.#limits;
    if (probeIntervalMs <= 0) return;
    this.#nextAtMs = this.#clock.monotonicMs() + probeIntervalMs;
    this.#timer = this.#clock.setTimer(probeIntervalMs, () => void this.#run(round));
  }

  async #run(round: number): Promise<void> {
    this.#nextAtMs = null;
    try {
      await this.once();
      if (round !== this.#round) return;
      this.#failedInRow = 0;
    } catch (error) {
      if (round !== this.#round) return;
      this.#failedInRow++;
      this.#listener.failed(error);
      if (this.#failedInRow >= this.#limits.maxFailedProbes) {
        this.stop();
        return this.#listener.gaveUp(error);
      }
    }
    this.#plan(round);
  }
}
