import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Digest } from "../../../cluster/membership/digest.ts";
import type { Heartbeat } from "../../../cluster/membership/heartbeat.ts";
import { MEMBERSHIP_LIMITS } from "../../../cluster/membership/member.ts";
import { Membership } from "../../../cluster/membership/membership.ts";
import { Roster } from "../../../cluster/membership/roster.ts";
import { beatOf } from "../beats.ts";

const test = suite("roster of a group");
const SEAT = { count: 4, group: 1 };
const NAMES = ["a", "b", "c", "d"];
const STEP_MS = 100;
const NEVER = Number.POSITIVE_INFINITY;

/** A group whose nodes hear each other at once, and each other's digests; each speaks when it finds that it should. */
class Group {
  readonly spoken: { readonly atMs: number; readonly digest: Digest }[] = [];
  readonly silent = new Set<string>();
  /** These speak, and hear nobody but themselves. */
  readonly deaf = new Set<string>();
  readonly nodes: readonly { readonly name: string; readonly membership: Membership; readonly roster: Roster }[];
  changes: Readonly<Record<string, Partial<Heartbeat>>> = {};
  #nowMs = 0;
  #sequence = 0;

  constructor(repeatEvery = NEVER) {
    this.nodes = NAMES.map((name) => {
      const membership = new Membership(MEMBERSHIP_LIMITS, 0, () => undefined);
      return { name, membership, roster: new Roster(SEAT, name, membership, MEMBERSHIP_LIMITS, repeatEvery, 0) };
    });
  }

  run(forMs: number): void {
    for (const endMs = this.#nowMs + forMs; this.#nowMs < endMs; this.#nowMs += STEP_MS) {
      if (this.#nowMs % MEMBERSHIP_LIMITS.heartbeatMs === 0) this.#beat();
      for (const { name, membership, roster } of this.#living()) {
        membership.sweep(this.#nowMs);
        if (roster.isToSpeak(this.#nowMs)) this.#hearAll(name, roster.speak(this.#nowMs));
      }
    }
  }

  speakersSince(atMs: number): string[] {
    return [...new Set(this.spoken.filter((each) => each.atMs >= atMs).map(({ digest }) => digest.node))];
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  #living() {
    return this.nodes.filter(({ name }) => !this.silent.has(name));
  }

  #beat(): void {
    this.#sequence += 1;
    for (const { name: from } of this.#living())
      for (const { name: to, membership, roster } of this.#living()) {
        if (this.deaf.has(to) && to !== from) continue;
        const beat = beatOf(from, this.#sequence, this.changes[from]);
        membership.observe(beat, this.#nowMs);
        roster.hear(beat, this.#nowMs);
      }
  }

  #hearAll(from: string, beats: Digest["beats"]): void {
    const digest = { node: from, stores: "shared", seat: SEAT, beats };
    this.spoken.push({ atMs: this.#nowMs, digest });
    for (const { name, roster } of this.#living())
      if (name !== from && !this.deaf.has(name)) roster.hearDigest(digest, `${name}-1`, this.#nowMs);
  }
}

test("One node tells of all, once each heartbeat", () => {
  const group = new Group();
  group.run(10_000);
  assert.is(group.speakersSince(1_000).length, 1);
  assert.is(group.spoken.filter(({ atMs }) => atMs >= 2_000).length, 16);
  for (const { digest } of group.spoken.slice(4)) assert.equal(digest.beats.map(({ beat }) => beat.node).sort(), NAMES);
});

test("When it falls silent the next one tells within two heartbeats, and so on to the last", () => {
  const group = new Group();
  group.run(5_000);
  for (let left = NAMES.length; left > 1; left--) {
    const [speaker = ""] = group.speakersSince(group.nowMs - 1_000);
    group.silent.add(speaker);
    const fromMs = group.nowMs;
    group.run(6_000);
    const taken = group.spoken.find(({ atMs, digest }) => atMs >= fromMs && digest.node !== speaker);
    assert.ok((taken?.atMs ?? Infinity) - fromMs <= 2 * MEMBERSHIP_LIMITS.heartbeatMs, String(taken?.atMs));
    assert.is(group.speakersSince(group.nowMs - 4_000).length, 1, "one of those that are left");
    assert.not.ok(
      group.spoken.at(-1)?.digest.beats.some(({ beat }) => beat.node === speaker),
      "the dead are not told of",
    );
  }
});

test("A node that nobody tells of tells of itself, though a nearer one speaks", () => {
  const membership = new Membership(MEMBERSHIP_LIMITS, 0, () => undefined);
  const speaker = (() => {
    const group = new Group();
    group.run(3_000);
    return group.spoken.at(-1)?.digest.node ?? "";
  })();
  const self = NAMES.find((name) => name !== speaker) as string;
  const roster = new Roster(SEAT, self, membership, MEMBERSHIP_LIMITS, NEVER, 0);
  let spoke = 0;
  for (let nowMs = 0; nowMs < 3_000; nowMs += 500) {
    for (const name of [speaker, self]) {
      const beat = beatOf(name, nowMs + 1);
      membership.observe(beat, nowMs);
      roster.hear(beat, nowMs);
    }
    const beats = [{ beat: beatOf(speaker, nowMs + 1), ageMs: 0 }];
    roster.hearDigest({ node: speaker, stores: "shared", seat: SEAT, beats }, `${self}-1`, nowMs);
    if (roster.isToSpeak(nowMs)) spoke += roster.speak(nowMs).length > 0 ? 1 : 0;
  }
  assert.ok(spoke >= 4, String(spoke));
});

test("When it hears nobody any more the next one tells long before anybody seems dead, though it speaks on", () => {
  const group = new Group();
  group.run(5_000);
  const [speaker = ""] = group.speakersSince(group.nowMs - 1_000);
  group.deaf.add(speaker);
  const fromMs = group.nowMs;
  group.run(4_000);
  const others = group.spoken.filter(({ atMs, digest }) => atMs >= fromMs && digest.node !== speaker);
  assert.ok((others[0]?.atMs ?? Infinity) - fromMs < MEMBERSHIP_LIMITS.deadAfterMs / 2, String(others[0]?.atMs));
  assert.is(new Set(others.map(({ digest }) => digest.node)).size, 1, "one of them is enough");
  assert.ok(others.length >= 3, String(others.length));
});

test("Names of what is ready are told once when they change, also by a speaker that has just taken over", () => {
  const group = new Group();
  const withNames = (version: number, name: string) => ({ ready: { version, names: new Set([name]) } });
  const toldOf = (node: string) =>
    group.spoken.flatMap(({ digest }) => digest.beats.filter(({ beat }) => beat.node === node && beat.ready.names !== null)).length;
  group.changes = { a: withNames(1, "docs"), b: withNames(1, "docs"), c: withNames(1, "docs"), d: withNames(1, "docs") };
  group.run(5_000);
  const [speaker = ""] = group.speakersSince(3_000);
  const other = NAMES.find((name) => name !== speaker) as string;
  assert.is(toldOf(other), 0, "all knew them when the group began");
  group.changes = { ...group.changes, [other]: withNames(2, "pets") };
  group.run(5_000);
  assert.is(toldOf(other), 1);
  group.silent.add(speaker);
  group.run(5_000);
  assert.is(toldOf(other), 1, "what the former speaker has told was heard");
});

test("What is ready at each node is told again by turns, for those who cannot ask", () => {
  const group = new Group(4);
  group.changes = Object.fromEntries(NAMES.map((name) => [name, { ready: { version: 1, names: new Set([`of-${name}`]) } }]));
  group.run(1_000);
  const from = group.spoken.length;
  group.run(NAMES.length * 4 * MEMBERSHIP_LIMITS.heartbeatMs);
  const told = group.spoken.slice(from).flatMap(({ digest }) => digest.beats.filter(({ beat }) => beat.ready.names !== null));
  assert.equal(told.map(({ beat }) => beat.node).sort(), NAMES);
});

test("A node that has left is told of as such for a while; one that drains speaks last", () => {
  const group = new Group();
  group.run(5_000);
  const [speaker = ""] = group.speakersSince(3_000);
  group.changes = { [speaker]: { isDraining: true } };
  group.run(3_000);
  assert.not.ok(group.speakersSince(group.nowMs - 1_000).includes(speaker));
  group.changes = { [speaker]: { isDraining: true, isLeaving: true } };
  group.run(500);
  group.silent.add(speaker);
  const fromMs = group.nowMs;
  group.run(5_000);
  const told = group.spoken.filter(
    ({ atMs, digest }) => atMs >= fromMs && digest.beats.some(({ beat }) => beat.node === speaker && beat.isLeaving),
  );
  assert.ok(told.length >= 2 && told.length <= 4, String(told.length));
});

test("Nodes that come and go under new names are forgotten, also by one that never speaks", () => {
  const membership = new Membership(MEMBERSHIP_LIMITS, 0, () => undefined);
  const roster = new Roster(SEAT, "self", membership, MEMBERSHIP_LIMITS, NEVER, 0);
  for (let at = 0; at < 2_000; at++) {
    roster.hear(beatOf(`pod-${at}`, 1), at * 100);
    roster.isToSpeak(at * 100);
  }
  assert.ok(roster.size <= MEMBERSHIP_LIMITS.deadAfterMs / 100, String(roster.size));
});

test.run();
