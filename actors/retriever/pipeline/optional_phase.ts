// Invariants:
//   O1. An optional phase takes time that neither what must follow nor an optional phase that goes before it in worth is
//       known to need: it never makes its query late.
//   O2. What is left out or given up is said in `degradations`, with its reason, and never changes the mode.
import { type KennelError, toKennelError } from "../../../runtime/errors.ts";
import type { Role } from "../../coordinator/modes.ts";
import type { MaybePromise } from "../index/index.ts";
import { within } from "./deadline.ts";
import type { Phase } from "./phase_times.ts";
import type { SearchContext } from "./search_context.ts";

/** What may be left out of an answer, as a phase of the pipeline. */
export interface OptionalPhase {
  readonly name: Phase;
  /** Whose work it is. */
  readonly role: Role;
  /** Greatest share (0..1) of the remaining time that it may take. */
  readonly share: number;
}

/** Phases in the order of their run; the branches of one query run side by side. */
const ORDER: readonly Phase[] = ["rewrite", "embed", "vector", "bm25", "fuse", "fetch", "rerank", "refine", "parents", "encode"];
/** In the order of their cost for their gain: whatever stands before another one gives way to it. */
const OPTIONAL: readonly Phase[] = ["rewrite", "rerank", "parents"];
/** A phase that is left out for being slow is tried by one query in this time, to learn whether it still is. */
const TRY_AGAIN_MS = 1_000;

export type Refusal = "skipped_for_deadline" | "shed";

/**
 * Runs a phase that the answer can do without, where there is time for it: in its share of what remains, less what later
 * phases are known to need. It is left out when fewer of its runs than `minPhaseChance` have ended in that time, and given
 * up when the time is over. A phase of which too little is known runs. Never rejects.
 * @returns null: it did not do its part, and the context says why
 */
export async function runOptional<Value>(
  context: SearchContext,
  phase: OptionalPhase,
  work: (signal: AbortSignal) => MaybePromise<Value>,
): Promise<Value | null> {
  const { clock, times } = context.parts;
  const limitMs = limitOf(context, phase);
  const refusal = refusalOf(context, phase, limitMs);
  if (refusal !== null) {
    context.degrade(phase.name, refusal, phase.role);
    explain(context, phase, limitMs, refusal);
    return null;
  }
  const startedMs = clock.monotonicMs();
  try {
    const value = await context.traced(phase.name, () => within(clock, limitMs, context.signal, work));
    context.noted(phase.name, startedMs);
    explain(context, phase, limitMs, "ran");
    return value;
  } catch (thrown) {
    const { code } = toKennelError(thrown);
    context.spent(phase.name, startedMs);
    // How quickly a service refuses says nothing about how long its work takes.
    if (code === "deadline_exceeded") times.noteAbandoned(phase.name, limitMs);
    context.degrade(phase.name, code, phase.role);
    explain(context, phase, limitMs, code);
    return null;
  }
}

function refusalOf({ parts, search }: SearchContext, { name }: OptionalPhase, limitMs: number): Refusal | null {
  if (search.isShedding) return "shed";
  if (limitMs <= 0) return "skipped_for_deadline";
  const chance = parts.times.chance(name, limitMs);
  if (chance === null || chance >= parts.limits.minPhaseChance || parts.times.mayTry(name, TRY_AGAIN_MS)) return null;
  return "skipped_for_deadline";
}

/** O1 */
function limitOf({ deadline, parts: { times, limits }, search }: SearchContext, { name, share }: OptionalPhase): number {
  const { remainingMs } = deadline;
  const wanted = (phase: Phase) => (phase === "rerank" ? search.request.rerank : phase === "parents" && search.plan.groupBy === "parent");
  let neededMs = 0;
  let branchMs = 0;
  for (let at = ORDER.indexOf(name) + 1; at < ORDER.length; at++) {
    const later = ORDER[at] as Phase;
    if (OPTIONAL.includes(later)) {
      if (wanted(later)) neededMs += times.quantile(later, limits.minPhaseChance) ?? 0;
    } else if (later === "vector" || later === "bm25") branchMs = Math.max(branchMs, times.p95(later) ?? 0);
    else neededMs += times.p95(later) ?? 0;
  }
  return Math.min(remainingMs * share, remainingMs - neededMs - branchMs);
}

function explain(context: SearchContext, { name }: OptionalPhase, limitMs: number, outcome: Refusal | "ran" | KennelError["code"]): void {
  if (!context.search.request.explain) return;
  const { times } = context.parts;
  const planner = context.explain.planner as { readonly optional: Record<string, unknown> };
  planner.optional[name] = { limit_ms: Math.max(0, Math.round(limitMs)), chance: times.chance(name, limitMs), outcome };
}

/** What the planner knew when the query began. */
export function explainPlanner({ parts, deadline, search, explain }: SearchContext): void {
  if (search.request.explain)
    explain.planner = { remaining_ms: Math.round(deadline.remainingMs), learned: parts.times.known(), optional: {} };
}
