/**
 * Tells of alerts by HTTP, one after the other, in the order in which they were raised.
 *
 * Invariants:
 *   W1. At most `maxWaiting` alerts wait; of more the oldest goes, and is counted: what is newest says most.
 *   W2. An alert is tried `maxAttempts` times at most, with pauses that grow and are jittered; then the next one is.
 *   W3. Every alert has one outcome, which is counted, but for those that a stop meets. It may be sent twice: a crash of the
 *       actor, or an answer that is lost, says nothing about what the receiver has.
 */
import type { Clock, Timer } from "../../runtime/clock.ts";
import { type KennelError, kennelError } from "../../runtime/errors.ts";
import type { Random } from "../../runtime/random.ts";
import { backoff } from "../../supervisor/backoff.ts";
import type { ActorContext, Behavior, Outcome } from "../../supervisor/kernel/behavior.ts";
import { type Alert, wireAlert } from "./alert.ts";

export interface WebhookOptions {
  readonly url: string;
  /** Sent as a bearer's; empty: none. */
  readonly token: string;
  readonly maxWaiting: number;
  readonly maxAttempts: number;
  /** Pause after the first failure; doubles up to the longest one. */
  readonly backoffMs: number;
  readonly maxBackoffMs: number;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly count: (outcome: DeliveryOutcome) => void;
}

/** `dropped`: too many waited; `refused`: the receiver wants none like it; `given_up`: it could not be reached. */
export type DeliveryOutcome = "delivered" | "dropped" | "refused" | "given_up";

export type WebhookMessage =
  | { readonly kind: "alert"; readonly alert: Alert }
  | { readonly kind: "due" }
  | { readonly kind: "sent"; readonly outcome: Outcome<"delivered" | "refused"> };

export interface WebhookState {
  readonly waiting: Alert[];
  isSending: boolean;
  failures: number;
  timer: Timer | null;
  lastError: string | null;
}

export interface Webhook {
  behavior(): Behavior<WebhookState, WebhookMessage>;
  /** For the status tree. */
  details(): Readonly<Record<string, unknown>>;
}

export function createWebhook(options: WebhookOptions): Webhook {
  // What waits outlives a restart of the actor.
  const state: WebhookState = { waiting: [], isSending: false, failures: 0, timer: null, lastError: null };
  return {
    behavior: () => ({
      start(context) {
        state.isSending = false;
        send(options, state, context);
        return state;
      },
      receive(_state, message, context) {
        receive(options, state, message, context);
        return state;
      },
      stop: () => state.timer?.cancel(),
    }),
    details: () => ({ waiting: state.waiting.length, failures: state.failures, last_error: state.lastError }),
  };
}

function receive(options: WebhookOptions, state: WebhookState, message: WebhookMessage, context: ActorContext<WebhookMessage>): void {
  if (message.kind === "alert") {
    state.waiting.push(message.alert);
    if (state.waiting.length > options.maxWaiting) {
      // The one that is being sent is not taken from under its call.
      state.waiting.splice(state.isSending ? 1 : 0, 1); // W1
      if (!state.isSending) state.failures = 0;
      options.count("dropped");
    }
  }
  if (message.kind === "due") state.timer = null;
  if (message.kind === "sent") ended(options, state, message.outcome, context);
  if (state.timer === null) send(options, state, context);
}

function ended(
  options: WebhookOptions,
  state: WebhookState,
  outcome: Outcome<"delivered" | "refused">,
  context: ActorContext<WebhookMessage>,
): void {
  state.isSending = false;
  state.failures = outcome.ok ? 0 : state.failures + 1;
  state.lastError = outcome.ok ? null : outcome.error.message;
  if (outcome.ok) settle(options, state, outcome.value);
  else if (state.failures >= options.maxAttempts) {
    state.failures = 0;
    settle(options, state, "given_up"); // W2
  } else {
    const pauseMs = backoff(options, state.failures - 1, options.random);
    state.timer = options.clock.setTimer(pauseMs, () => context.self.tell({ kind: "due" }, { lane: "control" }));
  }
}

function settle(options: WebhookOptions, state: WebhookState, outcome: DeliveryOutcome): void {
  state.waiting.shift();
  options.count(outcome); // W3
}

function send(options: WebhookOptions, state: WebhookState, context: ActorContext<WebhookMessage>): void {
  const [next] = state.waiting;
  if (next === undefined || state.isSending) return;
  state.isSending = true;
  context.pipe(
    (signal) => post(options, next, signal),
    (outcome) => ({ kind: "sent", outcome }),
  );
}

/** Throws `unavailable` where it may be taken later. What the receiver says of it is not read: it is nobody's to log. */
async function post({ url, token, timeoutMs }: WebhookOptions, alert: Alert, signal: AbortSignal): Promise<"delivered" | "refused"> {
  let status: number;
  try {
    const answer = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", ...(token === "" ? {} : { authorization: `Bearer ${token}` }) },
      body: JSON.stringify(wireAlert(alert)),
      redirect: "manual", // to where an operator has not said
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    await answer.body?.cancel();
    status = answer.status;
  } catch (cause) {
    throw unavailable("The webhook could not be reached", cause);
  }
  if (status >= 200 && status < 300) return "delivered";
  if (status === 408 || status === 429 || status >= 500) throw unavailable(`The webhook answers ${status}`, undefined);
  return "refused";
}

function unavailable(message: string, cause: unknown): KennelError {
  return kennelError("unavailable", { message, cause });
}
