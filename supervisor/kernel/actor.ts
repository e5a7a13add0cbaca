import type { Clock } from "../../runtime/clock.ts";
import { type ErrorCode, type KennelError, kennelError } from "../../runtime/errors.ts";
import type { Span, SpanSpec, Tracer } from "../../telemetry/tracing.ts";
import { Ask, type AskTarget, Envelope, type Settler } from "./ask.ts";
import type { ActorRef, AskOptions, Asks, Behavior, Lane, TellOptions } from "./behavior.ts";
import { IncarnationContext } from "./context.ts";
import type { Deadlines } from "./deadlines.ts";
import { type Halted, type HaltOptions, Incarnation } from "./incarnation.ts";
import type { ActorLimits } from "./limits.ts";
import { Mailbox } from "./mailbox.ts";
import { type Counts, Latencies, type MutableCounts, type Percentiles, zeroCounts } from "./measurements.ts";
import type { TurnSystem } from "./nact_bridge.ts";
import type { Origins } from "./origins.ts";

// Invariants:
//   K1. The address outlives incarnations: what waits in the mailbox waits for the next one.
//   K2. One incarnation lives at a time; the next is made after the one before was halted.
//   K3. An ask is let in or settled before `ask` returns; its promise is the only thing that reports it.

/** What an actor takes at its door, and from its lanes. */
export interface Gate {
  readonly admits: "all" | "control" | "none";
  /** Whether messages leave the work lane. */
  readonly takesWork: boolean;
  /** What those hear who are not admitted. */
  readonly refusal: () => KennelError;
}

/** Told of what happens, as it happens. It must not throw. */
export interface ActorObserver {
  /** The incarnation has ended by its own fault; it is yet to be halted. */
  crashed(error: unknown): void;
  /**
   * An ask ended by answer, failure or a deadline that was long enough; `code` is null for an answer. Not told of a failure
   * that came up in another actor and was only passed on.
   */
  settled(code: ErrorCode | null, durationMs: number, own: OwnPart): void;
  /** The behaviour's `stop` threw. */
  stopFailed(error: unknown): void;
}

/** What an actor had to do with the end of an ask, beside the work that it had piped. */
export interface OwnPart {
  /** Time in its handler, until it piped work; all of the time where it was not taken although there was room. */
  readonly durationMs: number;
  /** Piped work had it, or had every place that it could have been taken to. */
  readonly wasPiped: boolean;
}

export interface ActorMeasurements {
  readonly depth: number;
  /** Age of the longest waiting message in milliseconds; 0 when none waits. */
  readonly oldestMs: number;
  readonly inFlight: number;
  /** Incarnations that were let go and of which something still runs. */
  readonly abandoned: number;
  /** From being sent to being settled, of the latest asks. */
  readonly latencyMs: Percentiles;
  readonly counts: Counts;
}

export interface ActorParts {
  readonly path: string;
  readonly kind: string;
  readonly limits: ActorLimits;
  readonly observer: ActorObserver;
  readonly tracer: Tracer;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly origins: Origins;
  readonly system: TurnSystem;
}

const CLOSED: Gate = { admits: "none", takesWork: false, refusal: () => kennelError("unavailable") };

/** An actor: an address with a mailbox, in which one incarnation after another lives. */
export class Actor<Message> implements ActorRef<Message>, AskTarget {
  readonly path: string;
  readonly limits: ActorLimits;
  readonly mailbox: Mailbox;
  readonly tracer: Tracer;
  readonly #askSpan: SpanSpec;
  readonly #handleSpan: SpanSpec;
  readonly #parts: ActorParts;
  readonly #counts: MutableCounts = zeroCounts();
  readonly #latencies = new Latencies();
  #gate: Gate = CLOSED;
  #life: Life | null = null;
  #incarnations = 0;
  #abandoned = 0;

  constructor(parts: ActorParts) {
    this.path = parts.path;
    this.limits = parts.limits;
    this.tracer = parts.tracer;
    const attributes = { "kennel.actor.path": parts.path, "kennel.actor.kind": parts.kind };
    this.#askSpan = { name: `ask ${parts.kind}`, attributes };
    this.#handleSpan = { name: `handle ${parts.kind}`, attributes, actor: parts.path };
    this.#parts = parts;
    this.mailbox = new Mailbox({ control: parts.limits.controlCapacity, work: parts.limits.mailboxCapacity });
  }

  get incarnation(): number {
    return this.#incarnations;
  }

  get takesWork(): boolean {
    return this.#gate.takesWork;
  }

  tell(message: Message, options?: TellOptions): boolean {
    const lane = options?.lane ?? "work";
    if (!this.#admits(lane) || !this.mailbox.push(lane, new Envelope(message, this.#parts.clock.monotonicMs()))) {
      this.#counts.rejected++;
      return false;
    }
    this.#life?.wake();
    return true;
  }

  ask<Reply>(message: Message & Asks<Reply>, options: AskOptions): Promise<Reply> {
    return new Promise<Reply>((resolve, reject) => {
      const context = options.asker as unknown;
      const asker = context instanceof IncarnationContext ? context : null;
      const enqueuedMs = this.#parts.clock.monotonicMs();
      const ask = new Ask({
        message,
        enqueuedMs,
        deadlineMs: enqueuedMs + options.timeoutMs,
        lane: options.lane ?? "work",
        target: this,
        asker: asker === null ? null : (asker.self as ActorRef<unknown> as Actor<unknown>),
        cause: asker === null ? null : asker.owner.currentAsk,
        resolve,
        reject,
      });
      if (this.tracer.active() !== null) ask.span = this.tracer.child(this.#askSpan);
      const refusal = this.#refusal(ask, options);
      if (refusal !== null) {
        ask.span?.end(refusal);
        this.#parts.origins.claim(refusal, this.path);
        return reject(refusal); // K3
      }
      if (options.signal !== undefined) ask.cancelWith(options.signal);
      this.#parts.deadlines.add(ask);
      this.#life?.wake();
    });
  }

  /** The span of an ask that is taken; null: it is not traced. */
  handling(ask: Ask): Span | null {
    const { tracer } = this;
    return ask.span === null ? null : tracer.within(ask.span, () => tracer.child(this.#handleSpan));
  }

  /** Lets messages in and out from now on; what is waiting stays. */
  setGate(gate: Gate): void {
    this.#gate = gate;
    this.#life?.wake();
  }

  /** Settles what waits, with `error`; tells that waited are dropped. */
  refuseWaiting(error: KennelError): void {
    this.#counts.rejected += this.mailbox.refuseAll(error);
  }

  /** Begins the next life. Resolves when its `start` has, rejects with what it threw or with what ended it. */
  begin<State>(behavior: Behavior<State, Message>): Promise<void> {
    if (this.#life !== null) throw new TypeError(`Actor ${this.path} still has incarnation #${this.#incarnations}`); // K2
    this.#incarnations++;
    const life = new Incarnation(this, this.#incarnations, behavior, this.#parts.system, this.#parts.clock);
    this.#life = life;
    return life.started;
  }

  /** Ends the present life, if there is one, and waits until nothing of it runs, within its limit. */
  async halt(options: HaltOptions): Promise<Halted> {
    const life = this.#life;
    if (life === null) return "quiet";
    const halted = await life.halt(options);
    this.#life = null;
    if (halted === "abandoned") {
      this.#abandoned++;
      void life.quiet().then(() => this.#abandoned--);
    }
    return halted;
  }

  /** Ends the present life at once; `halt` still has to see it off. */
  end(refusal: KennelError): void {
    this.#life?.end(refusal);
  }

  measurements(): ActorMeasurements {
    const oldestMs = this.mailbox.oldestMs();
    return {
      depth: this.mailbox.depth,
      oldestMs: oldestMs === null ? 0 : this.#parts.clock.monotonicMs() - oldestMs,
      inFlight: this.#life?.inFlight ?? 0,
      abandoned: this.#abandoned,
      latencyMs: this.#latencies.percentiles(),
      counts: { ...this.#counts },
    };
  }

  askSettled(ask: Ask, settler: Settler, error: KennelError | null): void {
    this.#parts.deadlines.remove(ask);
    if (ask.span !== null) ask.endSpans(error);
    if (ask.holder === null) this.mailbox.noteSettled(ask.lane);
    const durationMs = this.#parts.clock.monotonicMs() - ask.enqueuedMs;
    if (durationMs > this.limits.slowCallMs) this.#counts.slow++;
    if (settler === "asker") {
      this.#counts.cancelled++;
    } else if (settler === "stop") {
      this.#counts.failed++;
    } else {
      if (settler === "deadline") this.#counts.expired++;
      else if (error === null) this.#counts.ok++;
      else this.#counts.failed++;
      // An asker that gave less time than answers take has proved nothing against the actor.
      const wasHasty = settler === "deadline" && durationMs < this.#latencies.meanMs;
      const isOwn = error === null || this.#parts.origins.claim(error, this.path) === this.path;
      this.#latencies.record(durationMs, settler === "behavior");
      if (!wasHasty && isOwn) this.#parts.observer.settled(error === null ? null : error.code, durationMs, this.#ownPart(ask, durationMs));
    }
  }

  #ownPart({ takenMs, pipedMs, enqueuedMs }: Ask, durationMs: number): OwnPart {
    if (takenMs !== null) return { durationMs: (pipedMs ?? enqueuedMs + durationMs) - takenMs, wasPiped: pipedMs !== null };
    const isFull = this.#life !== null && this.#life.inFlight >= this.limits.maxInFlight;
    return { durationMs: isFull ? 0 : durationMs, wasPiped: isFull };
  }

  /** For its incarnation to report. */
  crashed(error: unknown): void {
    this.#parts.observer.crashed(error);
  }

  stopFailed(error: unknown): void {
    this.#parts.observer.stopFailed(error);
  }

  #admits(lane: Lane): boolean {
    return this.#gate.admits === "all" || (this.#gate.admits === "control" && lane === "control");
  }

  /** Puts the ask into its lane, or says why not. */
  #refusal(ask: Ask, options: AskOptions): KennelError | RangeError | null {
    if (!Number.isFinite(options.timeoutMs)) return new RangeError(`timeoutMs must be finite, not ${options.timeoutMs}`);
    if (options.signal?.aborted === true) {
      this.#counts.cancelled++;
      return kennelError("cancelled", { cause: options.signal.reason });
    }
    if (options.timeoutMs <= 0) {
      this.#counts.expired++;
      return kennelError("deadline_exceeded");
    }
    if (ask.isMadeInCircle()) {
      this.#counts.rejected++;
      return kennelError("internal", { message: `An ask of ${this.path} would wait for itself` });
    }
    if (!this.#admits(ask.lane)) {
      this.#counts.rejected++;
      return this.#gate.refusal();
    }
    if (this.mailbox.push(ask.lane, ask)) return null;
    this.#counts.rejected++;
    return kennelError("overloaded", { message: `The mailbox of ${this.path} is full`, retryAfterMs: this.#retryAfterMs() });
  }

  /** Time in which the actor works through what waits, going by what asks took lately; between 10 ms and 5 s. */
  #retryAfterMs(): number {
    const rounds = this.mailbox.depth / this.limits.maxInFlight;
    return Math.ceil(Math.min(5_000, Math.max(10, rounds * this.#latencies.meanMs)));
  }
}

/** What an actor needs of its present incarnation, whatever its state's type. */
interface Life {
  readonly inFlight: number;
  wake(): void;
  end(refusal: KennelError): void;
  halt(options: HaltOptions): Promise<Halted>;
  quiet(): Promise<void>;
}
