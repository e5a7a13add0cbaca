import type { World } from "./world.ts";

export const FAULT_KINDS = [
  "kill",
  "pause",
  "restart",
  "partition",
  "isolate",
  "slow",
  "congestion",
  "no_lease_store",
  "lease_store_lost",
  "clock_jump",
  "same_name",
] as const;

export interface Fault {
  readonly kind: (typeof FAULT_KINDS)[number];
  readonly atMs: number;
  readonly lastsMs: number;
  /** How bad, in 0..1. */
  readonly amount: number;
}

const MEAN_GAP_MS = 3_000;

/** Faults one after the other, some seconds apart and long enough to overlap. */
export function planFaults(world: World, { fromMs, untilMs }: { readonly fromMs: number; readonly untilMs: number }): Fault[] {
  const faults: Fault[] = [];
  for (let atMs = fromMs; atMs < untilMs; atMs += 500 + world.exponential(MEAN_GAP_MS)) {
    const kind = world.pick(FAULT_KINDS) as Fault["kind"];
    faults.push({ kind, atMs, lastsMs: world.between(300, 9_000), amount: world.random.next() });
  }
  return faults;
}
