import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { hear, isRoutable, judge, MEMBERSHIP_LIMITS, type Member } from "../../../cluster/membership/member.ts";
import { Membership, type MembershipEvent } from "../../../cluster/membership/membership.ts";
import { beatOf } from "../beats.ts";

const test = suite("membership");
const limits = MEMBERSHIP_LIMITS;

function watched(changes: Partial<typeof limits> = {}) {
  const events: string[] = [];
  const membership = new Membership({ ...limits, ...changes }, 0, ({ kind, node }: MembershipEvent) => events.push(`${kind} ${node}`));
  return { membership, events, stateOf: (node: string) => membership.find(node)?.state ?? null };
}

/** Sweeps as often as heartbeats are sent. */
function sweepThrough(membership: Membership, fromMs: number, untilMs: number): void {
  for (let nowMs = fromMs; nowMs <= untilMs; nowMs += 100) membership.sweep(nowMs);
}

test("Membership suspects after 1.5 s of silence, declares dead after 5 s, and takes back who is heard again", () => {
  const { membership, events, stateOf } = watched();
  membership.observe(beatOf("a", 1), 0);
  sweepThrough(membership, 0, 1_400);
  assert.is(stateOf("a"), "alive");
  sweepThrough(membership, 1_500, 1_500);
  assert.is(stateOf("a"), "suspect");
  assert.equal(
    membership.placeable().map(({ name }) => name),
    ["a"],
    "a suspect keeps its collections",
  );
  sweepThrough(membership, 1_600, 5_000);
  assert.is(stateOf("a"), "dead");
  assert.is(membership.placeable().length, 0);
  membership.observe(beatOf("a", 2), 5_100);
  assert.is(stateOf("a"), "alive");
  assert.equal(events, ["joined a", "suspected a", "died a", "returned a"]);
});

test("A node that tells of a slow event loop is given longer, within a bound", () => {
  const silence = (lagMs: number, silentMs: number) => {
    const hearing = hear(null, beatOf("a", 1, { lagMs }), 0, null, limits);
    return hearing.kind === "news" ? judge(hearing.member, silentMs, limits)?.state : null;
  };
  assert.is(silence(0, 2_000), "suspect");
  assert.is(silence(400, 2_000), "alive");
  assert.is(silence(400, 2_300), "suspect");
  assert.is(silence(60_000, 4_500), "suspect", "the bound");
  assert.is(silence(60_000, 8_000), "dead");
});

test("An observer that stood still itself blames nobody for what it could not hear", () => {
  const { membership, stateOf } = watched();
  membership.observe(beatOf("a", 1), 0);
  membership.sweep(100);
  membership.sweep(20_000);
  assert.is(stateOf("a"), "alive");
  sweepThrough(membership, 20_100, 21_600);
  assert.is(stateOf("a"), "suspect", "silence that it did hear counts");
});

test("Repeated and overtaken heartbeats change nothing; what was said last holds", () => {
  const beats = fc.shuffledSubarray([1, 2, 3, 4, 5, 6, 7, 8], { minLength: 1 });
  fc.assert(
    fc.property(beats, (sequences) => {
      const { membership } = watched();
      for (const sequence of sequences) membership.observe(beatOf("a", sequence, { inFlight: sequence }), 0);
      assert.is(membership.find("a")?.beat.inFlight, Math.max(...sequences));
    }),
  );
});

test("While a node lives, another one of its name is a rival that changes nothing; when it is silent, its successor", () => {
  const { membership, events } = watched();
  membership.observe(beatOf("a", 5), 0);
  const rival = { incarnation: { startedMs: 99, id: "a-2" } };
  membership.observe(beatOf("a", 1, rival), 100);
  membership.observe(beatOf("a", 2, rival), 200);
  assert.is(membership.find("a")?.beat.incarnation.id, "a-1");
  sweepThrough(membership, 0, 1_600);
  membership.observe(beatOf("a", 3, rival), 1_700);
  assert.is(membership.find("a")?.beat.incarnation.id, "a-2");
  assert.equal(events, ["joined a", "rival a", "suspected a", "joined a"]);
});

test("A node that has said goodbye is succeeded at once and not revived by what it said before", () => {
  const { membership, stateOf } = watched();
  membership.observe(beatOf("a", 1), 0);
  membership.observe(beatOf("a", 3, { isLeaving: true }), 10);
  membership.observe(beatOf("a", 2), 20);
  assert.is(stateOf("a"), "left");
  membership.observe(beatOf("a", 1, { incarnation: { startedMs: 0, id: "a-2" } }), 30);
  assert.is(stateOf("a"), "alive", "whatever its clock says");
});

test("A node that drains is sent nothing and places nothing, and is told of once", () => {
  const { membership, events } = watched();
  for (const sequence of [1, 2, 3]) membership.observe(beatOf("a", sequence, { isDraining: sequence > 1 }), sequence);
  assert.not(isRoutable(membership.find("a") as Member));
  assert.is(membership.placeable().length, 0);
  assert.equal(events, ["joined a", "draining a"]);
});

test("Names that are ready hold until their version changes, and are unknown when that version's names were not heard", () => {
  const { membership } = watched();
  const names = new Set(["c"]);
  membership.observe(beatOf("a", 1, { ready: { version: 1, names } }), 0);
  membership.observe(beatOf("a", 2, { ready: { version: 1, names: null } }), 1);
  assert.ok(membership.find("a")?.ready?.has("c"));
  membership.observe(beatOf("a", 3, { ready: { version: 2, names: null } }), 2);
  assert.is(membership.find("a")?.ready, null);
});

test("Membership is bounded: whoever comes beyond it is counted, and who is long gone is forgotten", () => {
  const { membership } = watched({ maxMembers: 2, forgetAfterMs: 10_000 });
  for (const node of ["a", "b", "c"]) membership.observe(beatOf(node, 1), 0);
  assert.is(membership.size, 2);
  assert.is(membership.counts.refused, 1);
  sweepThrough(membership, 0, 10_000);
  assert.is(membership.size, 0);
  membership.observe(beatOf("c", 1), 10_100);
  assert.is(membership.size, 1);
});

test("Who is told of by digests is as old as they say, and suspected no sooner than 1.25 s after the last digest with news", () => {
  const { membership, stateOf } = watched();
  membership.observe(beatOf("young", 1), 1_000, 100);
  membership.observe(beatOf("old", 1), 1_000, 450);
  assert.equal([membership.find("young")?.heardMs, membership.find("old")?.heardMs], [900, 550]);
  sweepThrough(membership, 1_000, 2_200);
  assert.equal([stateOf("young"), stateOf("old")], ["alive", "alive"], "late is the digest, not the node");
  sweepThrough(membership, 2_250, 2_250);
  assert.equal([stateOf("young"), stateOf("old")], ["alive", "suspect"]);
  sweepThrough(membership, 2_300, 2_400);
  assert.equal([stateOf("young"), stateOf("old")], ["suspect", "suspect"]);
});

test("A digest that says itself that a node is silent makes it suspect at once; one that was overtaken does not", () => {
  const { membership, events, stateOf } = watched();
  for (const node of ["a", "b"]) membership.observe(beatOf(node, 1), 500, 0);
  membership.observe(beatOf("b", 2), 1_000, 0);
  for (const node of ["a", "b"]) membership.observe(beatOf(node, 1), 2_000, 1_500);
  assert.equal([stateOf("a"), stateOf("b")], ["suspect", "alive"]);
  membership.observe(beatOf("a", 2), 2_100, 1_600);
  assert.is(stateOf("a"), "suspect", "news, and old already");
  membership.observe(beatOf("a", 3), 2_200, 10);
  assert.equal(events, ["joined a", "joined b", "suspected a", "returned a"]);
});

test("What digests go on telling of an earlier life is neither a rival nor takes the place of a later one", () => {
  const { membership, events, stateOf } = watched();
  const later = { incarnation: { startedMs: 9, id: "later" } };
  membership.observe(beatOf("a", 1, later), 1_000);
  membership.observe(beatOf("a", 40), 1_200, 900);
  assert.equal(events, ["joined a"]);
  sweepThrough(membership, 1_200, 3_000);
  membership.observe(beatOf("a", 40), 3_000, 2_700);
  assert.equal([stateOf("a"), membership.find("a")?.beat.incarnation.id], ["suspect", "later"]);
  membership.observe(beatOf("a", 41), 3_100, 100);
  assert.is(membership.find("a")?.beat.incarnation.id, "a-1", "one that was heard since is the one that lives");
  membership.observe(beatOf("a", 2, later), 9_000, 100);
  assert.equal(events.filter((event) => event === "rival a").length, 1);
});

test.run();
