// Invariants:
//   L1. The lease changes hands only by a compare-and-set on its revision, so that of two who want it one gets it.
//   L2. A holder acts for `ttlMs` less a margin from when it sent the write that gave it the lease; others take it from a
//       holder only after having seen the same revision for `ttlMs`. Each measures with its own monotonic clock.
//   L3. Each holding has an epoch of its own, higher than every epoch its holder has heard of: what a former leader still
//       sends is told from what the present one sends. It is the wall clock's time where that is higher, so that it grows
//       also for a node that has heard of nobody while the store of leases was lost and begun anew.
//   L4. A write whose outcome is not known gives nothing, and takes nothing before its time: the lease is read, kept where it
//       is still the same holding, else taken under a new epoch.

export interface LeaseLimits {
  /** Longer than the store of leases needs to find a new leader of its own: writes fail for 5 to 7 s then. */
  readonly ttlMs: number;
  /** How much sooner the holder lets go than others may take over. */
  readonly marginMs: number;
  readonly renewMs: number;
  /** Pause after a call that failed. */
  readonly retryMs: number;
  /** A call without an outcome for this long has failed. */
  readonly callLimitMs: number;
}

export const LEASE_LIMITS: LeaseLimits = { ttlMs: 12_000, marginMs: 2_000, renewMs: 3_000, retryMs: 1_000, callLimitMs: 2_000 };

/** What stands in the store of leases. */
export interface LeaseRecord {
  /** Null: the last holder has let go. */
  readonly holder: string | null;
  /** The holder's incarnation. */
  readonly incarnation: string;
  readonly epoch: number;
}

export interface LeaseEntry {
  readonly record: LeaseRecord;
  readonly revision: number;
}

export interface LeaseState {
  readonly role: { readonly kind: "following" } | { readonly kind: "leading"; readonly epoch: number; readonly untilMs: number };
  /** The newest entry that was seen, and since when. */
  readonly seen: { readonly entry: LeaseEntry | null; readonly sinceMs: number } | null;
  /** The call under way: outcomes of others are ignored. */
  readonly call: { readonly id: number; readonly sentMs: number; readonly record: LeaseRecord | null } | null;
  readonly calls: number;
  readonly nextMs: number;
}

export type LeaseOutcome =
  | { readonly kind: "found"; readonly entry: LeaseEntry | null }
  | { readonly kind: "written"; readonly revision: number }
  /** Somebody else has written. */
  | { readonly kind: "lost" }
  | { readonly kind: "failed" };

export type LeaseEvent =
  | { readonly kind: "tick" }
  | { readonly kind: "outcome"; readonly id: number; readonly outcome: LeaseOutcome }
  /** The node goes. */
  | { readonly kind: "release" };

export type LeaseEffect =
  | { readonly kind: "read"; readonly id: number }
  /** `expected` 0: there must be none. */
  | { readonly kind: "write"; readonly id: number; readonly record: LeaseRecord; readonly expected: number };

export interface LeaseContext {
  readonly self: string;
  readonly incarnation: string;
  readonly nowMs: number;
  readonly wallMs: number;
  readonly limits: LeaseLimits;
  /** Highest epoch that was heard of. */
  readonly knownEpoch: number;
  /** Whether this node is one of those who would lead; the others only look on. */
  readonly mayLead: boolean;
}

type Step = readonly [LeaseState, readonly LeaseEffect[]];

/** @param fromMs when it may be asked for: once others have been heard */
export function noLease(fromMs: number): LeaseState {
  return { role: { kind: "following" }, seen: null, call: null, calls: 0, nextMs: fromMs };
}

/** The epoch in which this node leads now; null: it does not. */
export function leadsIn({ role }: LeaseState, nowMs: number): number | null {
  return role.kind === "leading" && nowMs < role.untilMs ? role.epoch : null; // L2
}

export function stepLease(state: LeaseState, event: LeaseEvent, context: LeaseContext): Step {
  switch (event.kind) {
    case "tick":
      return tick(expire(state, context), context);
    case "outcome": {
      const current = expire(state, context);
      return current.call?.id === event.id ? ended(current, event.outcome, context) : [current, []];
    }
    case "release":
      return release(state, context);
  }
}

function expire(state: LeaseState, { nowMs, limits }: LeaseContext): LeaseState {
  const isOver = state.role.kind === "leading" && nowMs >= state.role.untilMs;
  const isLost = state.call !== null && nowMs - state.call.sentMs >= limits.callLimitMs;
  if (!isOver && !isLost) return state;
  const role = isOver ? ({ kind: "following" } as const) : state.role;
  return isLost ? { ...state, role, call: null, seen: seenAfter(state) } : { ...state, role };
}

/** After a write that may have been done or not, what was seen is not what stands there. */
function seenAfter({ call, seen }: LeaseState): LeaseState["seen"] {
  return call === null || call.record === null ? seen : null;
}

function tick(state: LeaseState, context: LeaseContext): Step {
  if (state.call !== null || context.nowMs < state.nextMs) return [state, []];
  const { role } = state;
  const entry = state.seen?.entry ?? null;
  // One that has heard of a higher epoch leads nobody any more, whatever the store says: it begins a new epoch.
  if (role.kind === "leading" && role.epoch >= context.knownEpoch && entry !== null)
    return write(state, entry.record, entry.revision, context);
  return context.mayLead || role.kind === "leading" ? read(state, context) : [state, []];
}

function ended(state: LeaseState, outcome: LeaseOutcome, context: LeaseContext): Step {
  const { nowMs, limits } = context;
  const call = state.call as NonNullable<LeaseState["call"]>;
  const next: LeaseState = { ...state, call: null };
  switch (outcome.kind) {
    case "found":
      return found(next, outcome.entry, context);
    case "written": {
      const record = call.record as LeaseRecord;
      const seen = { entry: { record, revision: outcome.revision }, sinceMs: nowMs };
      if (record.holder === null) return [{ ...next, seen, role: { kind: "following" }, nextMs: Number.POSITIVE_INFINITY }, []];
      const untilMs = call.sentMs + limits.ttlMs - limits.marginMs; // L2
      return [{ ...next, seen, role: { kind: "leading", epoch: record.epoch, untilMs }, nextMs: nowMs + limits.renewMs }, []];
    }
    case "lost":
      return [{ ...next, seen: seenAfter(state), nextMs: nowMs }, []]; // L4: perhaps its own
    case "failed":
      return [{ ...next, seen: seenAfter(state), nextMs: nowMs + limits.retryMs }, []];
  }
}

function found(state: LeaseState, entry: LeaseEntry | null, context: LeaseContext): Step {
  const { nowMs, limits, self, incarnation } = context;
  const isSame =
    state.seen !== null && state.seen.entry?.revision === entry?.revision && state.seen.entry?.record.epoch === entry?.record.epoch;
  const sinceMs = isSame && state.seen !== null ? state.seen.sinceMs : nowMs;
  const next: LeaseState = { ...state, seen: { entry, sinceMs }, nextMs: nowMs + limits.renewMs };
  const isMine = entry?.record.holder === self && entry.record.incarnation === incarnation;
  const isHeld =
    isMine && state.role.kind === "leading" && state.role.epoch === entry.record.epoch && state.role.epoch >= context.knownEpoch;
  if (isHeld) return write(next, entry.record, entry.revision, context); // L4
  // An entry that has vanished with its store may have a holder who still acts on it.
  const isUnheld = entry === null ? context.knownEpoch === 0 : entry.record.holder === null;
  const isFree = isUnheld || isMine || nowMs - sinceMs >= limits.ttlMs;
  if (!isFree || !context.mayLead) return [{ ...next, role: { kind: "following" } }, []];
  const epoch = Math.max(context.knownEpoch + 1, (entry?.record.epoch ?? 0) + 1, Math.floor(context.wallMs)); // L3
  return write({ ...next, role: { kind: "following" } }, { holder: self, incarnation, epoch }, entry?.revision ?? 0, context);
}

function release(state: LeaseState, context: LeaseContext): Step {
  const entry = state.seen?.entry ?? null;
  const following: LeaseState = { ...state, role: { kind: "following" }, call: null, nextMs: Number.POSITIVE_INFINITY };
  if (leadsIn(state, context.nowMs) === null || entry === null) return [following, []];
  return write(following, { ...entry.record, holder: null }, entry.revision, context);
}

function read(state: LeaseState, { nowMs }: LeaseContext): Step {
  const id = state.calls + 1;
  return [{ ...state, calls: id, call: { id, sentMs: nowMs, record: null } }, [{ kind: "read", id }]];
}

function write(state: LeaseState, record: LeaseRecord, expected: number, { nowMs }: LeaseContext): Step {
  const id = state.calls + 1;
  return [{ ...state, calls: id, call: { id, sentMs: nowMs, record } }, [{ kind: "write", id, record, expected }]];
}
