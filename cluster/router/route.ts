import type { Random } from "../../runtime/random.ts";
import type { Candidate } from "./candidates.ts";

// Invariants:
//   R1. A query is settled once: by the first answer, an error that another node would give as well, or its deadline.
//   R2. Nobody is asked twice while somebody who may answer has not been asked, and nobody while an attempt there is open.
//   R3. Attempts are bounded, and none begins after the deadline.
//   R4. At most one attempt is a hedge, and it is made of the hedges' budget. Asking again because a node is suspected, has
//       gone or refuses is not a hedge: what it was asked it may never answer.
//   R5. When a query is settled, all other attempts are cancelled.

/** A way of failing that does not depend on the query. */
export interface RouteError {
  /**
   * `gone`: nobody is there, or no connection: it was not asked at all. `refused`: it is draining or overloaded, or what
   * it needs is away. `final`: any node would say the same.
   */
  readonly kind: "gone" | "refused" | "final";
  /** What the caller is told when it comes to nothing. */
  readonly cause: unknown;
}

export interface Attempt {
  readonly number: number;
  readonly node: string;
  readonly state: "open" | "suspected" | "failed";
  readonly sentMs: number;
  readonly isHedge: boolean;
}

export type Route =
  | {
      readonly kind: "open";
      readonly deadlineMs: number;
      readonly attempts: readonly Attempt[];
      /** When a slow attempt is to be hedged; null: hedged, or not allowed. */
      readonly hedgeAtMs: number | null;
      /** When nothing was heard for so long that another is asked: half of the time, half of what is then left, and so on. */
      readonly lateAtMs: number;
      /** When all have been asked in vain and are to be asked again; null: somebody is being asked. */
      readonly pausedUntilMs: number | null;
      readonly pauses: number;
      readonly lastError: RouteError | null;
    }
  | { readonly kind: "settled" };

export type RouteEvent =
  | { readonly kind: "begun" }
  | { readonly kind: "answered"; readonly attempt: number }
  | { readonly kind: "failed"; readonly attempt: number; readonly error: RouteError }
  /** The node is late, has died or left, or what connects to it has gone. */
  | { readonly kind: "suspected"; readonly node: string }
  | { readonly kind: "woken" };

export type RouteEffect =
  | { readonly kind: "send"; readonly attempt: Attempt; readonly timeoutMs: number; readonly reason: SendReason }
  | { readonly kind: "cancel"; readonly attempt: number }
  | { readonly kind: "answer"; readonly attempt: number }
  /** Null: nobody said anything before the deadline. */
  | { readonly kind: "fail"; readonly error: RouteError | null; readonly isLate: boolean };

export type SendReason = "first" | "retry" | "suspected" | "late" | "hedge";

export interface RouteOptions {
  readonly maxAttempts: number;
  /** Pause before all are asked again; doubles. */
  readonly pauseMs: number;
  readonly maxPauseMs: number;
  /** Less than this is left: it is too late for another. */
  readonly minLateMs: number;
}

export const ROUTE_OPTIONS: RouteOptions = { maxAttempts: 24, pauseMs: 20, maxPauseMs: 500, minLateMs: 100 };

export interface RouteContext {
  readonly nowMs: number;
  /** Looked up when somebody has to be chosen. */
  readonly candidates: () => readonly Candidate[];
  readonly random: Random;
  readonly options: RouteOptions;
  readonly canHedge: () => boolean;
  /** Whether another attempt may replace a lost one. */
  readonly canResend: () => boolean;
}

type OpenRoute = Extract<Route, { kind: "open" }>;
type Step = readonly [Route, readonly RouteEffect[]];

/** @param hedgeAfterMs null: not to be hedged */
export function openRoute(nowMs: number, timeoutMs: number, hedgeAfterMs: number | null): Route {
  return {
    kind: "open",
    deadlineMs: nowMs + timeoutMs,
    attempts: [],
    hedgeAtMs: hedgeAfterMs === null ? null : nowMs + hedgeAfterMs,
    lateAtMs: nowMs + timeoutMs / 2,
    pausedUntilMs: null,
    pauses: 0,
    lastError: null,
  };
}

/** When the route has something to do by itself. */
export function wakesAtMs(route: Route): number | null {
  if (route.kind === "settled") return null;
  const { deadlineMs, hedgeAtMs, lateAtMs, pausedUntilMs } = route;
  return Math.min(deadlineMs, hedgeAtMs ?? deadlineMs, lateAtMs, pausedUntilMs ?? deadlineMs);
}

export function stepRoute(route: Route, event: RouteEvent, context: RouteContext): Step {
  if (route.kind === "settled") return [route, []]; // R1
  switch (event.kind) {
    case "begun":
      return send(route, context, "first");
    case "answered":
      return settle(route, { kind: "answer", attempt: event.attempt }, event.attempt);
    case "failed":
      return failed(route, event.attempt, event.error, context);
    case "suspected":
      return suspected(route, event.node, context);
    case "woken":
      return woken(route, context);
  }
}

function settle(route: OpenRoute, effect: RouteEffect, settledBy: number): Step {
  const open = route.attempts.filter(({ state, number }) => state !== "failed" && number !== settledBy);
  return [{ kind: "settled" }, [effect, ...open.map(({ number }) => ({ kind: "cancel", attempt: number }) as const)]]; // R5
}

function failed(route: OpenRoute, number: number, error: RouteError, context: RouteContext): Step {
  if (!route.attempts.some((attempt) => attempt.number === number && attempt.state !== "failed")) return [route, []];
  if (error.kind === "final") return settle(route, { kind: "fail", error, isLate: false }, number);
  const attempts = route.attempts.map((attempt) => (attempt.number === number ? ({ ...attempt, state: "failed" } as const) : attempt));
  const next: OpenRoute = { ...route, attempts, lastError: error };
  return attempts.some(({ state }) => state === "open") ? [next, []] : send(next, context, "retry");
}

function suspected(route: OpenRoute, node: string, context: RouteContext): Step {
  if (!route.attempts.some((attempt) => attempt.node === node && attempt.state === "open")) return [route, []];
  const attempts = route.attempts.map((attempt) =>
    attempt.node === node && attempt.state === "open" ? ({ ...attempt, state: "suspected" } as const) : attempt,
  );
  const next: OpenRoute = { ...route, attempts };
  return attempts.some(({ state }) => state === "open") ? [next, []] : send(next, context, "suspected");
}

function woken(route: OpenRoute, context: RouteContext): Step {
  const { nowMs } = context;
  if (nowMs >= route.deadlineMs) return settle(route, { kind: "fail", error: route.lastError, isLate: true }, -1);
  if (route.pausedUntilMs !== null && nowMs >= route.pausedUntilMs) return send({ ...route, pausedUntilMs: null }, context, "retry");
  if (nowMs >= route.lateAtMs) {
    const halfMs = (route.deadlineMs - nowMs) / 2;
    const next: OpenRoute = { ...route, lateAtMs: halfMs < context.options.minLateMs ? route.deadlineMs : nowMs + halfMs };
    return isAsking(route) && context.canResend() ? another(next, context, "late") : [next, []];
  }
  if (route.hedgeAtMs !== null && nowMs >= route.hedgeAtMs) {
    const next: OpenRoute = { ...route, hedgeAtMs: null }; // R4
    const isFirst = route.attempts.length === 1 && isAsking(route);
    return isFirst && context.canHedge() ? another(next, context, "hedge") : [next, []];
  }
  return [route, []];
}

function isAsking(route: OpenRoute): boolean {
  return route.attempts.some(({ state }) => state === "open");
}

/** Beside those that are open, to a node that was not asked; where there is none nothing is done. */
function another(route: OpenRoute, context: RouteContext, reason: SendReason): Step {
  const asked = new Set(route.attempts.map(({ node }) => node));
  // A hedge that had to open the collection would be slower than what it is to overtake.
  const isFit = ({ node, tier }: Candidate) => !asked.has(node) && (reason !== "hedge" || tier <= 1);
  const candidate = chooseCandidate(context.candidates().filter(isFit), context.random);
  return candidate === null || route.attempts.length >= context.options.maxAttempts
    ? [route, []]
    : begin(route, candidate.node, context, reason);
}

function send(route: OpenRoute, context: RouteContext, reason: SendReason): Step {
  const candidates = context.candidates();
  const fresh = candidates.filter(({ node }) => !route.attempts.some((attempt) => attempt.node === node));
  const candidate = chooseCandidate(fresh, context.random);
  if (candidate !== null && route.attempts.length < context.options.maxAttempts) return begin(route, candidate.node, context, reason); // R2
  if (isWaiting(route, candidates)) return [route, []];
  return again(route, candidates, context);
}

/** Whether somebody who is no candidate any more was asked and may still answer, while nobody else is left to be asked again. */
function isWaiting(route: OpenRoute, candidates: readonly Candidate[]): boolean {
  const mayAnswer = new Set(route.attempts.filter(({ state }) => state !== "failed").map(({ node }) => node));
  return mayAnswer.size > 0 && candidates.every(({ node }) => mayAnswer.has(node));
}

/** All have been asked. Who has refused would refuse again; who was not there may have come back, so that they are asked again after a pause. */
function again(route: OpenRoute, candidates: readonly Candidate[], context: RouteContext): Step {
  const { nowMs, options } = context;
  const hasRefused = route.lastError?.kind === "refused" && candidates.length > 0;
  if (hasRefused || route.attempts.length >= options.maxAttempts) {
    return isUndecided(route) ? [route, []] : settle(route, { kind: "fail", error: route.lastError, isLate: false }, -1);
  }
  const pauseMs = Math.min(options.maxPauseMs, options.pauseMs * 2 ** route.pauses);
  const asked = route.attempts.filter(({ state }) => state !== "failed"); // the others may be asked again
  const paused: OpenRoute = { ...route, attempts: asked, pausedUntilMs: nowMs + pauseMs, pauses: route.pauses + 1 };
  return [paused, []];
}

function isUndecided(route: OpenRoute): boolean {
  return route.attempts.some(({ state }) => state !== "failed");
}

function begin(route: OpenRoute, node: string, context: RouteContext, reason: SendReason): Step {
  const { nowMs } = context;
  const timeoutMs = route.deadlineMs - nowMs;
  if (timeoutMs <= 0) return settle(route, { kind: "fail", error: route.lastError, isLate: true }, -1); // R3
  const number = 1 + route.attempts.reduce((most, attempt) => Math.max(most, attempt.number), route.pauses * context.options.maxAttempts);
  const attempt: Attempt = { number, node, state: "open", sentMs: nowMs, isHedge: reason === "hedge" };
  return [{ ...route, attempts: [...route.attempts, attempt], pausedUntilMs: null }, [{ kind: "send", attempt, timeoutMs, reason }]];
}

/** Another node must be this much less busy before a query leaves the node that could answer it: what a hop costs. */
const STAY_LOAD = 0.5;

/**
 * The less loaded of two drawn at random from the first tier that has any; this node is always one of the two if it is of
 * that tier. Mitzenmacher, "The power of two choices in randomized load balancing", IEEE TPDS 2001.
 */
export function chooseCandidate(candidates: readonly Candidate[], random: Random): Candidate | null {
  const first = candidates.reduce((lowest, { tier }) => Math.min(lowest, tier), Number.POSITIVE_INFINITY);
  const tier = candidates.filter((candidate) => candidate.tier === first);
  if (tier.length <= 1) return tier[0] ?? null;
  const self = tier.find(({ isSelf }) => isSelf);
  const others = self === undefined ? tier : tier.filter((candidate) => candidate !== self);
  const one = self ?? (draw(others, random) as Candidate);
  const rest = others.filter((candidate) => candidate !== one);
  const two = draw(rest, random) as Candidate;
  const stay = one.isSelf ? STAY_LOAD : 0;
  return two.load + stay < one.load ? two : one;
}

function draw(candidates: readonly Candidate[], random: Random): Candidate | undefined {
  return candidates[Math.floor(random.next() * candidates.length)];
}
