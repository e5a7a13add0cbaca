/**
 * `serving`. `announced`: its heartbeats say that it drains; others send nothing more and open what it holds; what arrives
 * is still served. `left`: nothing is in flight and each collection has a successor, or the limit has passed; the last
 * heartbeat may be sent.
 */
export type DrainState =
  | { readonly kind: "serving" }
  | { readonly kind: "announced"; readonly sinceMs: number }
  | { readonly kind: "left"; readonly isForced: boolean };

export interface DrainLimits {
  /** Time for the word to reach everybody. */
  readonly graceMs: number;
  /** Limit of the whole. */
  readonly limitMs: number;
}

export interface DrainView {
  readonly nowMs: number;
  readonly inFlight: number;
  /** Collections that are held here and can be searched nowhere else yet. */
  readonly unsucceeded: number;
  /** Whether there is another node that could succeed this one. */
  readonly hasPeers: boolean;
}

export function announceDrain(state: DrainState, nowMs: number): DrainState {
  return state.kind === "serving" ? { kind: "announced", sinceMs: nowMs } : state;
}

export function stepDrain(state: DrainState, view: DrainView, limits: DrainLimits): DrainState {
  if (state.kind !== "announced") return state;
  const passedMs = view.nowMs - state.sinceMs;
  if (passedMs >= limits.limitMs) return { kind: "left", isForced: true };
  const isSucceeded = view.unsucceeded === 0 || !view.hasPeers;
  return passedMs >= limits.graceMs && view.inFlight === 0 && isSucceeded ? { kind: "left", isForced: false } : state;
}
