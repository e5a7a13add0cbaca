import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Control, NO_CONTROL, newerControl } from "../../../cluster/lease/control.ts";
import {
  LEASE_LIMITS,
  type LeaseEffect,
  type LeaseEntry,
  type LeaseEvent,
  type LeaseOutcome,
  type LeaseState,
  leadsIn,
  noLease,
  stepLease,
} from "../../../cluster/lease/lease.ts";

const test = suite("lease");

/** One key with revisions. */
function leaseStore() {
  let entry: LeaseEntry | null = null;
  let revision = 0;
  return {
    lose() {
      entry = null;
      revision = 0;
    },
    call(effect: LeaseEffect): LeaseOutcome {
      if (effect.kind === "read") return { kind: "found", entry };
      if ((entry?.revision ?? 0) !== effect.expected) return { kind: "lost" };
      revision += 1;
      entry = { record: effect.record, revision };
      return { kind: "written", revision };
    },
  };
}

function candidateOf(self: string, store: ReturnType<typeof leaseStore>) {
  let state: LeaseState = noLease(0);
  let knownEpoch = 0;
  let mode: "answers" | "fails" | "does and fails" = "answers";
  const step = (event: LeaseEvent, nowMs: number): void => {
    const context = { self, incarnation: `${self}-1`, nowMs, wallMs: 0, limits: LEASE_LIMITS, knownEpoch, mayLead: true };
    const [next, effects] = stepLease(state, event, context);
    state = next;
    for (const effect of effects) {
      const outcome = mode === "fails" ? ({ kind: "failed" } as const) : store.call(effect);
      const isTold = mode === "answers" || (mode === "does and fails" && effect.kind === "read");
      step({ kind: "outcome", id: effect.id, outcome: isTold ? outcome : { kind: "failed" } }, nowMs);
    }
  };
  return {
    step,
    leadsAt: (nowMs: number) => leadsIn(state, nowMs),
    be(next: typeof mode) {
      mode = next;
    },
    hearOf(epoch: number) {
      knownEpoch = epoch;
    },
    run(fromMs: number, untilMs: number) {
      for (let nowMs = fromMs; nowMs <= untilMs; nowMs += 500) step({ kind: "tick" }, nowMs);
    },
  };
}

test("One of two leads, goes on leading, and its epoch stays", () => {
  const store = leaseStore();
  const [a, b] = [candidateOf("a", store), candidateOf("b", store)];
  for (let nowMs = 0; nowMs < 60_000; nowMs += 500) {
    a.step({ kind: "tick" }, nowMs);
    b.step({ kind: "tick" }, nowMs);
    assert.equal([a.leadsAt(nowMs), b.leadsAt(nowMs)], [1, null]);
  }
});

test("A leader that cannot write lets go before another may take over, which then leads in a later epoch", () => {
  const store = leaseStore();
  const [a, b] = [candidateOf("a", store), candidateOf("b", store)];
  a.run(0, 0);
  b.run(0, 0);
  a.be("fails");
  let tookOverMs = 0;
  for (let nowMs = 500; nowMs < 20_000 && tookOverMs === 0; nowMs += 500) {
    a.step({ kind: "tick" }, nowMs);
    b.step({ kind: "tick" }, nowMs);
    assert.not(a.leadsAt(nowMs) !== null && b.leadsAt(nowMs) !== null, `both at ${nowMs}`);
    if (b.leadsAt(nowMs) !== null) tookOverMs = nowMs;
  }
  assert.ok(tookOverMs >= LEASE_LIMITS.ttlMs && tookOverMs <= LEASE_LIMITS.ttlMs + LEASE_LIMITS.renewMs, `${tookOverMs}`);
  assert.is(b.leadsAt(tookOverMs), 2);
  a.be("answers");
  a.run(tookOverMs, tookOverMs + 5_000);
  assert.is(a.leadsAt(tookOverMs + 5_000), null, "the former one follows");
});

test("A write whose outcome is not known gives no lease; what it did is found and kept", () => {
  const store = leaseStore();
  const a = candidateOf("a", store);
  a.be("does and fails");
  a.run(0, 0);
  assert.is(a.leadsAt(0), null);
  a.be("answers");
  a.run(1_000, 2_000);
  assert.is(a.leadsAt(2_000), 2, "taken under a new epoch");
  a.be("does and fails");
  a.run(2_500, 5_000);
  a.be("answers");
  a.run(5_500, 9_000);
  assert.is(a.leadsAt(9_000), 2, "the same holding goes on");
});

test("A leader that has heard of a later epoch leads nobody any more until it has a later one", () => {
  const store = leaseStore();
  const a = candidateOf("a", store);
  a.run(0, 0);
  a.hearOf(7);
  a.run(500, 8_000);
  assert.is(a.leadsAt(8_000), 8);
});

test("When the store of leases has forgotten all, the lease is not taken before its holder must have let go", () => {
  const store = leaseStore();
  const [a, b] = [candidateOf("a", store), candidateOf("b", store)];
  a.run(0, 0);
  b.hearOf(1);
  b.run(0, 0);
  store.lose();
  b.run(500, LEASE_LIMITS.ttlMs - 500);
  assert.is(b.leadsAt(LEASE_LIMITS.ttlMs - 500), null);
  b.run(LEASE_LIMITS.ttlMs, 2 * LEASE_LIMITS.ttlMs);
  assert.is(b.leadsAt(2 * LEASE_LIMITS.ttlMs), 2);
});

test("A node that goes lets go, and the next one need not wait", () => {
  const store = leaseStore();
  const [a, b] = [candidateOf("a", store), candidateOf("b", store)];
  a.run(0, 0);
  b.run(0, 0);
  a.step({ kind: "release" }, 500);
  assert.is(a.leadsAt(500), null);
  b.run(500, 4_000);
  assert.is(b.leadsAt(4_000), 2);
});

test("What a leader of an older epoch says is not heard, nor what was overtaken", () => {
  const told = (epoch: number, sequence: number): Control => ({ ...NO_CONTROL, epoch, sequence });
  let known = NO_CONTROL;
  for (const control of [told(2, 1), told(2, 3), told(2, 2), told(1, 9), told(3, 1), told(2, 4)]) known = newerControl(known, control);
  assert.equal([known.epoch, known.sequence], [3, 1]);
});

test.run();
