import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../telemetry/logs.ts";
import type { SupervisionEvent } from "./child.ts";

/** Events that are kept for who comes later. */
const KEPT_EVENTS = 50;

/** What happened to the children of a tree, as others read it. */
export interface SupervisionEvents {
  /** The last 50, oldest first. */
  recent(): readonly SupervisionEvent[];
  /** Calls `listener` with every event from now on; returns what ends that. A listener must not throw. */
  subscribe(listener: (event: SupervisionEvent) => void): () => void;
  /** Adds an event of the process itself. */
  report(path: string, event: "memory_high" | "memory_normal", detail: string): void;
}

export class EventLog implements SupervisionEvents {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #listeners = new Set<(event: SupervisionEvent) => void>();
  #events: SupervisionEvent[] = [];

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  recent(): readonly SupervisionEvent[] {
    return [...this.#events];
  }

  subscribe(listener: (event: SupervisionEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  report(path: string, event: "memory_high" | "memory_normal", detail: string): void {
    this.emit(path, event, detail);
  }

  /** @param error goes to the log with its stack, never into the event */
  emit(path: string, event: SupervisionEvent["event"], detail: string | null, error?: unknown): void {
    const entry: SupervisionEvent = { at: new Date(this.#clock.wallMs()).toISOString(), path, event, detail };
    this.#events.push(entry);
    if (this.#events.length > KEPT_EVENTS) this.#events.shift();
    const fields = { actor: path, event, detail, ...(error === undefined ? {} : { err: error }) };
    this.#logger[levelOf(event)](fields, `Actor ${event}`);
    for (const listener of this.#listeners) this.#call(listener, entry);
  }

  #call(listener: (event: SupervisionEvent) => void, event: SupervisionEvent): void {
    try {
      listener(event);
    } catch (error) {
      this.#logger.error({ err: error }, "A listener of supervision events failed");
    }
  }
}

/** Retrievers come and go by the thousand; only what is out of order is worth a line at the usual level. */
function levelOf(event: SupervisionEvent["event"]): "error" | "warn" | "debug" {
  switch (event) {
    case "escalated":
      return "error";
    case "crashed":
    case "suspended":
    case "probe_failed":
    case "memory_high":
    case "memory_normal":
      return "warn";
    default:
      return "debug";
  }
}
