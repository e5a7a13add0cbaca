import type { Clock } from "../../runtime/clock.ts";
import type { KennelError } from "../../runtime/errors.ts";

declare const REPLY: unique symbol;

/** Mixed into a message type whose ask is answered with `Reply`. The mark exists in types only. */
export interface Asks<Reply> {
  readonly [REPLY]?: (reply: Reply) => void;
}

export type Lane = "control" | "work";

export interface TellOptions {
  /** Control messages overtake work and are bounded apart from it. @default "work" */
  readonly lane?: Lane;
}

export interface AskOptions extends TellOptions {
  /** Milliseconds from now until the ask is settled with `deadline_exceeded`. */
  readonly timeoutMs: number;
  /** Settles the ask with `cancelled` and reaches the work that was started for it. */
  readonly signal?: AbortSignal;
  /** The actor that asks, so that a cycle of asks is refused instead of waiting for its deadline. */
  readonly asker?: ActorContext<never>;
}

/** The stable address of an actor; it outlives restarts. */
export interface ActorRef<Message> {
  /** `node/retrievers/docs`, without the incarnation. */
  readonly path: string;
  /** Rejects nothing, waits for nothing: returns false when the message was refused (lane full, actor not taking work). */
  tell(message: Message, options?: TellOptions): boolean;
  /**
   * Settled exactly once: with the answer, or a `KennelError` of `overloaded`, `deadline_exceeded`,
   * `unavailable`, `draining`, `cancelled`, `internal`, or whatever `KennelError` the behaviour failed it with.
   */
  ask<Reply>(message: Message & Asks<Reply>, options: AskOptions): Promise<Reply>;
}

/** An ask that was taken from the mailbox. It counts as in flight until it is settled. */
export interface PendingAsk {
  readonly deadlineMs: number; // on the clock's monotonic side
  /** Aborts when the deadline passes, the asker cancels, or the incarnation stops. */
  readonly signal: AbortSignal;
  /** The first of `reply` and `fail` counts; later calls do nothing and return false. */
  reply(value: unknown): boolean;
  fail(error: KennelError): boolean;
}

export type Outcome<Value> = { readonly ok: true; readonly value: Value } | { readonly ok: false; readonly error: KennelError };

export interface ActorContext<Message> {
  readonly self: ActorRef<Message>;
  readonly path: string;
  readonly incarnation: number;
  readonly clock: Clock;
  /** The ask behind the message that is being received; null for a tell. Read it before the first await. */
  readonly pendingAsk: PendingAsk | null;
  /** Aborts when this incarnation is told to stop. */
  readonly stopping: AbortSignal;
  /**
   * Pipe to self: starts `work` outside of the handler and brings its outcome back as a message on the control lane.
   * The work counts as in flight; its signal is the ask's where one is given, else `stopping`.
   * Nothing comes back once the incarnation has stopped.
   */
  pipe<Value>(work: (signal: AbortSignal) => Promise<Value>, toMessage: (outcome: Outcome<Value>) => Message, ask?: PendingAsk): void;
}

/**
 * What an actor is. A new object is made for each incarnation, so a behaviour may keep its own private fields, but
 * what it knows belongs into `State`. One handler runs at a time; a handler that throws ends the incarnation.
 */
export interface Behavior<State, Message> {
  /** Runs before the first message; work waits meanwhile. Throwing counts as a failed start. */
  start(context: ActorContext<Message>): State | Promise<State>;
  receive(state: State, message: Message, context: ActorContext<Message>): State | Promise<State>;
  /** Runs after the last handler and the last piped work have ended (or passed their limit). */
  stop?(state: State): void | Promise<void>;
}
