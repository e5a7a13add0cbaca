import { suite } from "uvu";
import * as assert from "uvu/assert";
import { MEMBERSHIP_LIMITS } from "../../../cluster/membership/member.ts";
import { Membership } from "../../../cluster/membership/membership.ts";
import { Placement } from "../../../cluster/placement/placement.ts";
import { SUCCESSION_OPTIONS, Succession } from "../../../cluster/placement/succession.ts";
import { beatOf } from "../beats.ts";

const test = suite("succession");
const NONE: ReadonlySet<string> = new Set();
const collections = Array.from({ length: 40 }, (_, at) => `c${at}`);

function of(self: string, nodes: readonly string[]) {
  const membership = new Membership(MEMBERSHIP_LIMITS, 0, () => undefined);
  for (const node of nodes) membership.observe(beatOf(node, 1), 0);
  const placement = new Placement(membership, () => 1);
  const mine = collections.filter((name) => placement.ownersOf(name)[0] === self);
  return { membership, placement, mine, succession: new Succession(self, membership, placement, SUCCESSION_OPTIONS, 0) };
}

test("A newcomer warms what is to be its own, few at a time and no faster than it may", () => {
  const { succession, mine } = of("a", ["a", "b"]);
  succession.consider(collections);
  const warmed: string[] = [];
  for (let nowMs = 0; nowMs <= 1_000; nowMs += 100) {
    const { warm } = succession.sweep(NONE, nowMs);
    assert.ok(warm.length <= SUCCESSION_OPTIONS.maxWarming);
    for (const name of warm) succession.warmed(name);
    warmed.push(...warm);
  }
  assert.ok(warmed.length <= 2 * SUCCESSION_OPTIONS.warmPerSecond, `${warmed.length} in the first second`);
  for (let nowMs = 1_100; nowMs < 20_000; nowMs += 100) {
    for (const name of succession.sweep(NONE, nowMs).warm) {
      succession.warmed(name);
      warmed.push(name);
    }
  }
  assert.equal(warmed, mine);
  assert.is(succession.pending, 0);
});

test("What a node held that has died is warmed without waiting for the ration, two at a time", () => {
  const { succession, mine } = of("a", ["a", "b"]);
  succession.inherit(collections);
  let sweeps = 0;
  for (let warmed = 0; warmed < mine.length; sweeps++) {
    const { warm } = succession.sweep(NONE, 0);
    for (const name of warm) succession.warmed(name);
    warmed += warm.length;
    assert.ok(sweeps < 100);
  }
  assert.ok(sweeps <= Math.ceil(mine.length / SUCCESSION_OPTIONS.maxWarming) + 1);
});

test("What another node holds and this one is to hold is warmed without a word about it, and again where that came to nothing", () => {
  const { membership, placement, succession } = of("a", ["a", "b"]);
  const name = collections.find((other) => placement.ownersOf(other)[0] === "b") as string;
  membership.observe(beatOf("b", 2, { ready: { version: 1, names: new Set([name]) } }), 0);
  assert.equal(succession.sweep(NONE, 0).warm, []);
  placement.setExceptions(new Map([[name, ["a"]]])); // the place has changed, and nobody was told of this collection
  assert.equal(succession.sweep(NONE, 100).warm, [name]);
  succession.warmed(name); // it has failed: it is not ready
  for (let nowMs = 200; nowMs < SUCCESSION_OPTIONS.tryAgainMs; nowMs += 100) assert.equal(succession.sweep(NONE, nowMs).warm, []);
  assert.equal(succession.sweep(NONE, SUCCESSION_OPTIONS.tryAgainMs + 200).warm, [name]);
  succession.warmed(name);
  assert.equal(succession.sweep(new Set([name]), 2 * SUCCESSION_OPTIONS.tryAgainMs + 400).warm, []);
  assert.is(succession.pending, 0);
});

test("A collection is let go only when who is to hold it has had it ready for a while", () => {
  const { membership, succession, placement } = of("a", ["a", "b"]);
  const name = collections.find((other) => placement.ownersOf(other)[0] === "b") as string;
  const here = new Set([name]);
  assert.equal(succession.sweep(here, 0).release, [], "nobody else can answer for it");
  membership.observe(beatOf("b", 2, { ready: { version: 1, names: new Set([name]) } }), 100);
  assert.equal(succession.sweep(here, 100).release, []);
  membership.observe(beatOf("b", 3, { ready: { version: 2, names: NONE } }), 2_000);
  assert.equal(succession.sweep(here, 4_000).release, [], "the other has let go of it again");
  membership.observe(beatOf("b", 4, { ready: { version: 3, names: new Set([name]) } }), 4_100);
  assert.equal(succession.sweep(here, 4_100).release, []);
  assert.equal(succession.sweep(here, 4_100 + SUCCESSION_OPTIONS.lingerMs).release, [name]);
});

test.run();
