import type { AlertKind } from "../../config/telemetry_settings.ts";
import type { Clock, Timer } from "../../runtime/clock.ts";
import type { SupervisionEvent } from "../../supervisor/child.ts";
import type { SupervisionEvents } from "../../supervisor/event_log.ts";
import type { Redaction } from "../../telemetry/redaction.ts";
import type { Alert } from "./alert.ts";

export interface AlertParts {
  readonly node: string;
  readonly clock: Clock;
  readonly redaction: Redaction;
  /** Bytes by which the process is above the memory it may use; 0: it is below. */
  readonly bytesAboveHighWater: () => number;
  /** Pause between two looks at the memory. */
  readonly memoryCheckMs: number;
  /** Path of the actor that tells of alerts: what befalls it is not told by itself. */
  readonly toldBy: string;
  readonly count: (kind: AlertKind) => void;
}

/** Actors of which it is known that their breaker is open; what is beyond is told of when it opens, not when it closes. */
const MAX_OPEN = 1_000;

/**
 * Makes alerts of what happens in a node, and gives them to whoever listens. Nothing is kept: who listens has a bound of its own.
 */
export class Alerts {
  readonly #parts: AlertParts;
  readonly #listeners = new Set<(alert: Alert) => void>();
  readonly #open = new Set<string>();
  #isMemoryHigh = false;
  #timer: Timer | null = null;
  #unsubscribe: () => void = () => {};

  constructor(parts: AlertParts) {
    this.#parts = parts;
  }

  watch(events: SupervisionEvents): void {
    this.#unsubscribe = events.subscribe((event) => this.#supervised(event));
    this.#lookLater();
  }

  stop(): void {
    this.#unsubscribe();
    this.#timer?.cancel();
  }

  /** A listener must neither throw nor wait. */
  listen(listener: (alert: Alert) => void): void {
    this.#listeners.add(listener);
  }

  raise(kind: AlertKind, subject: string, detail: string): void {
    const { node, clock, redaction, count } = this.#parts;
    const alert: Alert = {
      kind,
      at: new Date(clock.wallMs()).toISOString(),
      node,
      subject: redaction.text(subject),
      detail: redaction.sentence(detail),
    };
    count(kind);
    for (const listener of this.#listeners) listener(alert);
  }

  #supervised({ path, event, detail }: SupervisionEvent): void {
    if (path === this.#parts.toldBy) return;
    if (event === "escalated") this.raise("escalated", path, detail ?? "");
    if (event === "stopped") this.#open.delete(path);
    if (event === "suspended" && !this.#open.has(path)) {
      if (this.#open.size < MAX_OPEN) this.#open.add(path);
      this.raise("breaker_opened", path, detail ?? "");
    }
    if (event === "ready" && this.#open.delete(path)) this.raise("breaker_closed", path, "It takes work again");
  }

  #lookLater(): void {
    this.#timer = this.#parts.clock.setTimer(this.#parts.memoryCheckMs, () => {
      this.#look();
      this.#lookLater();
    });
  }

  #look(): void {
    const aboveBytes = this.#parts.bytesAboveHighWater();
    const isHigh = aboveBytes > 0;
    if (isHigh === this.#isMemoryHigh) return;
    this.#isMemoryHigh = isHigh;
    if (isHigh) this.raise("memory_high", "memory", `The process is ${Math.ceil(aboveBytes / 1_048_576)} MiB above its high-water mark`);
    else this.raise("memory_normal", "memory", "The process is below its high-water mark again");
  }
}
