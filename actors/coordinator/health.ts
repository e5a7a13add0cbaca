/** A service as the coordinator judges it. Times are monotonic milliseconds. */
export type Health =
  | { readonly kind: "up" }
  /** Away, but not yet for long enough to change a mode for it. */
  | { readonly kind: "failing"; readonly sinceMs: number }
  | { readonly kind: "down" }
  /** Back, but not yet for long enough to trust it. */
  | { readonly kind: "recovering"; readonly sinceMs: number };

export interface Hysteresis {
  /** A service must be away this long before a mode falls. */
  readonly degradeAfterMs: number;
  /** And be back this long before the mode rises. */
  readonly recoverAfterMs: number;
}

/** The next judgement after a look at the service; a relapse starts the count anew. */
export function nextHealth(health: Health, isAvailable: boolean, nowMs: number, hysteresis: Hysteresis): Health {
  switch (health.kind) {
    case "up":
      return isAvailable ? health : judge({ kind: "failing", sinceMs: nowMs }, nowMs, hysteresis);
    case "failing":
      return isAvailable ? { kind: "up" } : judge(health, nowMs, hysteresis);
    case "down":
      return isAvailable ? judge({ kind: "recovering", sinceMs: nowMs }, nowMs, hysteresis) : health;
    case "recovering":
      return isAvailable ? judge(health, nowMs, hysteresis) : { kind: "down" };
  }
}

/** Whether a mode counts the service as failed. */
export function isFailed(health: Health): boolean {
  return health.kind === "down" || health.kind === "recovering";
}

function judge(health: Health & { readonly sinceMs: number }, nowMs: number, { degradeAfterMs, recoverAfterMs }: Hysteresis): Health {
  if (health.kind === "failing") return nowMs - health.sinceMs >= degradeAfterMs ? { kind: "down" } : health;
  return nowMs - health.sinceMs >= recoverAfterMs ? { kind: "up" } : health;
}
