import type { Clock } from "../../runtime/clock.ts";
import { type KennelError, kennelError, toKennelError } from "../../runtime/errors.ts";
import type { Actor } from "./actor.ts";
import { Ask, Envelope } from "./ask.ts";
import type { ActorRef, Behavior, Outcome, PendingAsk } from "./behavior.ts";
import { IncarnationContext } from "./context.ts";
import type { TurnSystem, Turns } from "./nact_bridge.ts";
import { PipedWork } from "./piped_work.ts";

// Invariants:
//   I1. One handler (`start` or `receive`) runs at a time; the next message is taken after it has ended.
//   I2. nact holds one message of an incarnation at most: the turn that is asked for. A turn takes several messages.
//   I3. Work is taken only while less than `maxInFlight` is in flight and the actor's gate lets it. Control has
//       `controlCapacity` places beyond that, so that health can be asked of an actor that is busy to its limit.
//   I4. After its end an incarnation takes nothing, its asks are settled, and what its handler or its work still brings
//       counts for nothing. `end` is the one place where that happens.
//   I5. `stop` of the behaviour runs once for every state that `start` gave, also one that came too late.

/** Messages of one turn; after them the event loop gets to see to others. */
const MESSAGES_PER_TURN = 64;

export interface HaltOptions {
  /** Time in which the mailbox and the work in flight may still end by themselves. */
  readonly graceMs: number;
  /** Time, from the call on, after which what still runs is let go. */
  readonly limitMs: number;
  /** What the asks hear that found no answer. */
  readonly refusal: KennelError;
}

/** `abandoned`: something of it still runs, and its outcome will count for nothing. */
export type Halted = "quiet" | "abandoned";

interface OutcomeMessage {
  readonly message: unknown;
  readonly ask: Ask | null;
}

/** One life of an actor. */
export class Incarnation<State, Message> {
  readonly number: number;
  readonly clock: Clock;
  readonly started: Promise<void>;
  /** The ask behind the message in hand. */
  currentAsk: Ask | null = null;
  readonly #actor: Actor<Message>;
  readonly #behavior: Behavior<State, Message>;
  readonly #context: IncarnationContext<State, Message>;
  readonly #turns: Turns;
  readonly #stopping = new AbortController();
  readonly #piped: PipedWork;
  readonly #taken = new Set<Ask>();
  #inFlight = 0;
  #turn: "none" | "requested" | "running" = "none";
  #hasBegun = false;
  #isReady = false;
  #isHandling = false;
  #hasEnded = false;
  #isClosed = false;
  #state: State | null = null;
  #hasState = false;
  #settleStart: { resolve: () => void; reject: (error: unknown) => void } = { resolve: () => {}, reject: () => {} };
  #onChange: (() => void) | null = null;

  constructor(actor: Actor<Message>, number: number, behavior: Behavior<State, Message>, system: TurnSystem, clock: Clock) {
    this.number = number;
    this.clock = clock;
    this.#actor = actor;
    this.#behavior = behavior;
    this.#context = new IncarnationContext(this, actor as ActorRef<Message>);
    this.#piped = new PipedWork(this, actor.limits);
    this.started = new Promise((resolve, reject) => {
      this.#settleStart = { resolve, reject };
    });
    this.started.catch(() => {}); // whoever waits for it hears of the failure; nobody has to
    this.#turns = system.spawn(`${actor.path}#${number}`, () => this.#takeTurn());
    this.#requestTurn();
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Made with the incarnation, aborted with its end: work without an ask runs under it. */
  get stopping(): AbortSignal {
    return this.#stopping.signal;
  }

  get hasRoom(): boolean {
    return this.#inFlight < this.#actor.limits.maxInFlight;
  }

  get #hasRoomForControl(): boolean {
    const { maxInFlight, controlCapacity } = this.#actor.limits;
    return this.#inFlight < maxInFlight + controlCapacity;
  }

  /** Takes a turn when there is something to take. */
  wake(): void {
    if (this.#turn === "none" && this.#hasSomething()) this.#requestTurn();
  }

  pipe<Value>(
    work: (signal: AbortSignal) => Promise<Value>,
    toMessage: (outcome: Outcome<Value>) => Message,
    pending: PendingAsk | null,
  ): void {
    if (this.#hasEnded) return; // I4
    const ask = pending instanceof Ask && this.#taken.has(pending) ? pending : null;
    if (ask !== null) ask.pipedMs ??= this.clock.monotonicMs();
    this.#piped.start({ work, toMessage: toMessage as (outcome: Outcome<unknown>) => unknown, ask, signal: ask?.signal ?? this.stopping });
  }

  /** Runs `body` with `ask` as the ask in hand, so that asks made in it are made for it. */
  onBehalfOf<Result>(ask: Ask | null, body: () => Result): Result {
    const previous = this.currentAsk;
    this.currentAsk = ask;
    try {
      return this.#actor.tracer.isOn ? this.#actor.tracer.within(ask?.handling ?? null, body) : body();
    } finally {
      this.currentAsk = previous;
    }
  }

  acquireSlot(): void {
    this.#inFlight++;
  }

  releaseSlot(): void {
    this.#inFlight--;
    if (!this.#hasEnded) this.#piped.startWaiting();
    this.#changed();
  }

  releaseAsk(ask: Ask): void {
    if (this.#taken.delete(ask)) this.releaseSlot();
  }

  /** Piped work has come to its end: back to the behaviour, if there is still someone to hear it. */
  deliver(): void {
    this.#changed();
  }

  /** The behaviour failed: in its handler, or in making a message of an outcome. */
  crash(error: unknown): void {
    if (this.#hasEnded) return;
    this.end(kennelError("unavailable", { message: "The actor crashed before it answered", cause: error }));
    this.#actor.crashed(error);
  }

  /** Takes its asks and its say from the incarnation (I4); whether anything of it still runs is for `halt` to see. */
  end(refusal: KennelError): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    for (const ask of this.#taken) ask.end("stop", refusal);
    this.#stopping.abort(refusal);
    this.#piped.clear();
    this.#settleStart.reject(refusal);
    this.#changed();
  }

  async halt(options: HaltOptions): Promise<Halted> {
    const limitAtMs = this.clock.monotonicMs() + options.limitMs;
    this.#stopping.abort(options.refusal);
    if (options.graceMs > 0) await this.#until(() => this.#hasEnded || this.#isIdle(), Math.min(options.graceMs, options.limitMs));
    this.end(options.refusal);
    const isQuiet = await this.#until(() => this.#isQuiet(), limitAtMs - this.clock.monotonicMs());
    this.#turns.stop();
    const isClosed = await this.#close(limitAtMs - this.clock.monotonicMs());
    return isQuiet && isClosed ? "quiet" : "abandoned";
  }

  /** Resolves when nothing of an abandoned incarnation runs any more. */
  async quiet(): Promise<void> {
    await this.#until(() => this.#isQuiet(), Number.POSITIVE_INFINITY);
  }

  #hasSomething(): boolean {
    if (this.#hasEnded || !this.#isReady) return false;
    const mailbox = this.#actor.mailbox;
    if (this.#piped.outcomes.length > 0 || (this.#hasRoomForControl && mailbox.depthOf("control") > 0)) return true;
    return this.#actor.takesWork && this.hasRoom && mailbox.depthOf("work") > 0; // I3
  }

  #requestTurn(): void {
    this.#turn = "requested";
    this.#turns.request(); // I2
  }

  #takeTurn(): void | Promise<void> {
    this.#turn = "running";
    if (this.#hasBegun) return this.#takeMessages(MESSAGES_PER_TURN);
    this.#hasBegun = true;
    return this.#hasEnded ? this.#endTurn() : this.#begin();
  }

  #endTurn(): void {
    this.#turn = "none";
    this.#changed();
  }

  async #begin(): Promise<void> {
    this.#isHandling = true;
    try {
      const state = await this.#actor.tracer.within(null, () => this.#behavior.start(this.#context));
      this.#isHandling = false;
      this.#state = state;
      this.#hasState = true;
      if (this.#isClosed) void this.#stopBehavior(); // I5: nobody waited for it any longer
      this.#isReady = true;
      this.#settleStart.resolve();
    } catch (error) {
      this.#isHandling = false;
      this.#settleStart.reject(error);
    }
    this.#endTurn();
  }

  /** Takes messages until a handler needs time; then goes on when it has ended. */
  #takeMessages(most: number): void | Promise<void> {
    for (let left = most; left > 0; left--) {
      const next = this.#next();
      if (next === null) break;
      const running = this.#receive(next);
      if (running !== null) return running.then(() => (left > 1 ? this.#takeMessages(left - 1) : this.#endTurn()));
    }
    this.#endTurn();
  }

  #next(): Envelope | OutcomeMessage | null {
    if (this.#hasEnded) return null; // I4
    const outcome = this.#piped.outcomes.shift();
    if (outcome !== undefined) return outcome;
    const mailbox = this.#actor.mailbox;
    const control = this.#hasRoomForControl ? mailbox.shift("control", this.clock) : null;
    if (control !== null || !this.#actor.takesWork || !this.hasRoom) return control; // I3
    return mailbox.shift("work", this.clock);
  }

  /** Null when the handler has ended, else a promise of its end that never rejects. */
  #receive(next: Envelope | OutcomeMessage): Promise<void> | null {
    const ask = next instanceof Envelope ? (next instanceof Ask ? this.#take(next) : null) : next.ask;
    this.currentAsk = ask;
    this.#isHandling = true; // I1
    try {
      // A turn runs under whatever it was asked for in: each message is handled under its own ask's span, or none.
      const { tracer } = this.#actor;
      const state = tracer.isOn
        ? tracer.within(ask?.handling ?? null, () => this.#behavior.receive(this.#state as State, next.message as Message, this.#context))
        : this.#behavior.receive(this.#state as State, next.message as Message, this.#context);
      if (state instanceof Promise) {
        return state.then(
          (settled) => this.#handled(settled),
          (error: unknown) => this.#threw(error, ask),
        );
      }
      this.#handled(state);
    } catch (error) {
      this.#threw(error, ask);
    }
    return null;
  }

  #take(ask: Ask): Ask {
    ask.holder = this;
    ask.takenMs = this.clock.monotonicMs();
    ask.handling = this.#actor.handling(ask);
    this.#taken.add(ask);
    this.#inFlight++;
    return ask;
  }

  #handled(state: State): void {
    this.currentAsk = null;
    this.#isHandling = false;
    this.#state = state;
    if (this.#onChange !== null) this.#onChange();
  }

  /** A handler that throws ends the incarnation; its own ask hears why, the others that they were unlucky. */
  #threw(error: unknown, ask: Ask | null): void {
    this.currentAsk = null;
    this.#isHandling = false;
    ask?.end("stop", toKennelError(error));
    this.crash(error);
    this.#changed();
  }

  async #close(limitMs: number): Promise<boolean> {
    if (this.#isClosed) return true;
    this.#isClosed = true;
    if (!this.#hasState) return true;
    let hasStopped = false;
    void this.#stopBehavior().then(() => {
      hasStopped = true;
      this.#changed();
    });
    return this.#until(() => hasStopped, limitMs);
  }

  async #stopBehavior(): Promise<void> {
    try {
      await this.#behavior.stop?.(this.#state as State);
    } catch (error) {
      this.#actor.stopFailed(error);
    }
  }

  #isQuiet(): boolean {
    return !this.#isHandling && this.#inFlight === 0;
  }

  #isIdle(): boolean {
    return this.#isQuiet() && this.#turn !== "running" && !this.#hasSomething() && this.#actor.mailbox.depth === 0;
  }

  #changed(): void {
    this.#onChange?.();
    this.wake();
  }

  /** Whether `condition` came to hold within `limitMs`. One waits at a time: a halt goes step by step. */
  #until(condition: () => boolean, limitMs: number): Promise<boolean> {
    if (condition()) return Promise.resolve(true);
    if (limitMs <= 0) return Promise.resolve(false);
    return new Promise((resolve) => {
      const finish = (holds: boolean) => {
        timer?.cancel();
        this.#onChange = null;
        resolve(holds);
      };
      const timer = Number.isFinite(limitMs) ? this.clock.setTimer(limitMs, () => finish(condition())) : null;
      this.#onChange = () => {
        if (condition()) finish(true);
      };
    });
  }
}
