/** What passivation looks at. */
export interface Tenant {
  readonly isPinned: boolean;
  /** Monotonic time of the last query. */
  readonly lastUsedMs: number;
  readonly bytes: number;
  /** Queries it is working on. */
  readonly load: number;
}

export interface PassivationLimits {
  /** A tenant that nobody has asked for this long leaves, unless it is pinned. */
  readonly idleMs: number;
  /** Memory of all together. */
  readonly maxBytes: number;
}

export type PassivationReason = "idle" | "bytes" | "count";

/** Least recently used first; whoever is pinned or at work comes after all others. */
export function byDispensability<T extends Tenant>(tenants: Iterable<T>): readonly T[] {
  return [...tenants].sort(
    (a, b) => Number(a.isPinned) - Number(b.isPinned) || Number(a.load > 0) - Number(b.load > 0) || a.lastUsedMs - b.lastUsedMs,
  );
}

/**
 * Who has to leave: those that are idle, then the least recently used until the rest fits. One that is larger than the
 * whole limit does not stay, either.
 */
export function choosePassivations<T extends Tenant>(
  tenants: Iterable<T>,
  limits: PassivationLimits,
  nowMs: number,
): readonly { readonly tenant: T; readonly reason: PassivationReason }[] {
  const leaving: { tenant: T; reason: PassivationReason }[] = [];
  const staying: T[] = [];
  for (const tenant of byDispensability(tenants)) {
    const isIdle = !tenant.isPinned && tenant.load === 0 && nowMs - tenant.lastUsedMs >= limits.idleMs;
    if (isIdle) leaving.push({ tenant, reason: "idle" });
    else staying.push(tenant);
  }
  let bytes = staying.reduce((sum, tenant) => sum + tenant.bytes, 0);
  for (const tenant of staying) {
    if (bytes <= limits.maxBytes) break;
    if (tenant.bytes === 0) continue;
    bytes -= tenant.bytes;
    leaving.push({ tenant, reason: "bytes" });
  }
  return leaving;
}
