import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  GROUP_OPTIONS,
  type GroupPlan,
  type GroupView,
  MESH,
  placesOf,
  seatOf,
  stepGroups,
  wantedCount,
} from "../../../cluster/membership/groups.ts";
import { hashName } from "../../../cluster/placement/rendezvous.ts";

const test = suite("groups");
const options = { ...GROUP_OPTIONS, meshNodes: 100 };
const of = (nodes: number, allHearDigests = true): GroupView => ({ nodes, allHearDigests });

function stepThrough(plan: GroupPlan, view: GroupView, fromMs: number, untilMs: number): GroupPlan {
  let next = plan;
  for (let nowMs = fromMs; nowMs <= untilMs; nowMs += 100) next = stepGroups(next, view, nowMs, options);
  return next;
}

test("Groups are about as many as a group has members", () => {
  const counts = [101, 300, 1_000, 4_096].map((nodes) => wantedCount(0, of(nodes), options));
  assert.equal(counts, [8, 16, 32, 64]);
});

test("Up to `meshNodes` there are none, and a cluster goes back to the mesh below four fifths of it", () => {
  assert.is(wantedCount(0, of(100), options), 0);
  assert.is(wantedCount(8, of(81), options), 8);
  assert.is(wantedCount(8, of(80), options), 0);
});

test("A number of groups that came with n goes only when n has left its span by a half", () => {
  fc.assert(
    fc.property(fc.integer({ min: 101, max: 4_096 }), fc.double({ min: 0.71, max: 1.41, noNaN: true }), (nodes, by) => {
      const count = wantedCount(0, of(nodes), options);
      const there = Math.round(nodes * by);
      fc.pre(there > 100);
      const other = wantedCount(count, of(there), options);
      assert.is(wantedCount(other, of(nodes), options), other, `${nodes} and ${there} nodes move nobody to and fro`);
    }),
  );
});

test("A change is made when it was wanted for 3 s on end, and the former place is kept for 2 s more", () => {
  const before = stepThrough(MESH, of(150), 0, 2_900);
  assert.is(before.count, 0);
  const interrupted = stepThrough(stepThrough(before, of(90), 2_950, 3_000), of(150), 3_050, 5_900);
  assert.is(interrupted.count, 0, "it was not wanted in between");
  const after = stepThrough(before, of(150), 3_000, 3_000);
  assert.equal([after.count, placesOf(after, "n1").isMesh, placesOf(after, "n1").seats.length], [16, true, 1]);
  assert.is(placesOf(stepThrough(after, of(150), 3_100, 5_000), "n1").isMesh, false);
});

test("A node that hears no digests makes a mesh at once, however many there are", () => {
  const grouped = stepThrough(MESH, of(150), 0, 6_000);
  const mesh = stepGroups(grouped, of(151, false), 6_100, options);
  assert.equal([mesh.count, placesOf(mesh, "n1").isMesh, placesOf(mesh, "n1").seats.length], [0, true, 1]);
});

test("All find the same group of a node by its name, and groups are of about one size", () => {
  const sizes = new Map<number, number>();
  for (let at = 0; at < 1_000; at++) {
    const { group } = seatOf(hashName(`node-${at}`), 32);
    sizes.set(group, (sizes.get(group) ?? 0) + 1);
  }
  assert.is(sizes.size, 32);
  assert.ok(Math.max(...sizes.values()) <= 55, String([...sizes.values()]));
});

test.run();
