import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Control } from "../../../cluster/lease/control.ts";
import { MEMBERSHIP_LIMITS } from "../../../cluster/membership/member.ts";
import { Membership } from "../../../cluster/membership/membership.ts";
import { Leading, type LedCatalog, type LedCluster } from "../../../node/cluster/leading.ts";
import { beatOf } from "../../cluster/beats.ts";
import { type ManualClock, manualClock } from "../../support/manual_clock.ts";

const test = suite("leading");
const CAPACITY = 10;
const LOOK_MS = 2_000;

type Told = Pick<Control, "exceptions" | "replicas" | "mode">;

interface Rig {
  readonly clock: ManualClock;
  readonly told: Told[];
  readonly cluster: { leadsIn: number | null };
  readonly membership: Membership;
  readonly flags: { replicaGrowth: boolean };
  readonly leading: Leading;
  /** Names that were looked up since the last time, by turn of the event loop. */
  lookups: number;
}

/** @param lookupMs how long the catalog takes for a name: what makes a levelling long */
function rigOf(collections: number, lookupMs: number): Rig {
  const clock = manualClock();
  const told: Told[] = [];
  const membership = new Membership(MEMBERSHIP_LIMITS, 0, () => undefined);
  for (const node of ["a", "b", "c"]) membership.observe(beatOf(node, 1), 0);
  const names = Array.from({ length: collections }, (_, at) => `c${String(at).padStart(6, "0")}`);
  const catalog = {
    isLoaded: true,
    size: collections,
    list: ({ after, limit }: { readonly after: string | null; readonly limit: number }) => {
      const from = after === null ? 0 : names.indexOf(after) + 1;
      const items = names.slice(from, from + limit).map((name) => ({ name }));
      return { items, next: from + limit < names.length ? (items.at(-1)?.name ?? null) : null };
    },
    resolve: () => {
      rig.lookups += 1;
      clock.stall(lookupMs);
      return { record: { settings: { replicas: 1 } } };
    },
  } as unknown as LedCatalog;
  const cluster = {
    leadsIn: 1 as number | null,
    membership,
    placement: { exceptions: new Map<string, readonly string[]>() },
    control: { mode: "", replicas: new Map<string, number>() },
    tell: (content: Told) => {
      told.push(content);
      return true;
    },
  } satisfies LedCluster;
  const flags = { replicaGrowth: true };
  const rig: Rig = {
    clock,
    told,
    cluster,
    membership,
    lookups: 0,
    flags,
    leading: new Leading(cluster, catalog, clock, CAPACITY, flags),
  };
  return rig;
}

/** Makes a collection busy until it is due another place. */
function heat({ membership }: Rig, sequence: number): void {
  membership.observe(beatOf("a", sequence, { busy: new Map([["c000000", CAPACITY]]) }), 0);
}

test("A leader levels what a few collections need in one turn, and tells once", async () => {
  const rig = rigOf(30, 0);
  await rig.clock.advance(LOOK_MS);
  assert.is(rig.told.length, 1);
  rig.leading.stop();
});

test("A levelling that takes long goes on by turns, none much longer than its share, and is told when it is whole", async () => {
  const rig = rigOf(4_000, 0.01);
  rig.clock.advanceNow(LOOK_MS);
  const inFirstTurn = rig.lookups;
  assert.ok(inFirstTurn < 4_000, `${inFirstTurn} names in the first turn`);
  assert.is(rig.told.length, 0);
  for (let turn = 0; turn < 1_000 && rig.told.length === 0; turn++) {
    const before = rig.lookups;
    await rig.clock.advance(4);
    assert.ok(rig.lookups - before <= 2_000, `${rig.lookups - before} names in a turn`);
  }
  assert.is(rig.told.length, 1);
  assert.ok(rig.lookups >= 8_000); // for the ranking and for the places
  rig.leading.stop();
});

test("A leader that is one no more leaves its levelling where it is and tells nothing", async () => {
  const rig = rigOf(4_000, 0.01);
  rig.clock.advanceNow(LOOK_MS);
  rig.told.length = 0;
  rig.cluster.leadsIn = null;
  await rig.clock.advance(60_000);
  assert.equal(rig.told, []);
  rig.leading.stop();
});

test("A busy collection gets its place while a long levelling is under way", async () => {
  const rig = rigOf(4_000, 1);
  heat(rig, 2);
  for (let look = 0; look < 10 && rig.told.length === 0; look++) await rig.clock.advance(LOOK_MS);
  assert.is(rig.told[0]?.replicas.get("c000000"), 2);
  assert.ok(rig.lookups < 8_000, `${rig.lookups} names: the levelling had ended`);
  rig.leading.stop();
});

test("A mode that gets worse is told while a long levelling is under way, and again with what that has found", async () => {
  const rig = rigOf(4_000, 1);
  rig.clock.advanceNow(LOOK_MS);
  assert.is(rig.told.length, 0);
  rig.membership.observe(beatOf("b", 2, { mode: "lexical" }), 0);
  for (let look = 0; look < 3 && rig.told.length === 0; look++) await rig.clock.advance(LOOK_MS);
  assert.equal(rig.told.map(({ mode }) => mode), ["lexical"]); // biome-ignore format: one thought
  assert.ok(rig.lookups < 8_000, `${rig.lookups} names: the levelling had ended`);
  for (let look = 0; look < 100 && rig.told.length === 1; look++) await rig.clock.advance(LOOK_MS);
  assert.is(rig.told.at(-1)?.mode, "lexical");
  rig.leading.stop();
});

test("While growth is switched off a busy collection has the places of its settings, and gets more when it is on again", async () => {
  const rig = rigOf(30, 0);
  const places = () => rig.told.at(-1)?.replicas.get("c000000");
  heat(rig, 2);
  for (let look = 0; look < 10 && places() === undefined; look++) await rig.clock.advance(LOOK_MS);
  assert.is(places(), 2);
  rig.flags.replicaGrowth = false;
  await rig.clock.advance(LOOK_MS);
  assert.is(places(), undefined);
  rig.flags.replicaGrowth = true;
  for (let look = 0; look < 10 && places() === undefined; look++) await rig.clock.advance(LOOK_MS);
  assert.is(places(), 2);
  rig.leading.stop();
});

test("What has not changed is told again now and then, for those who have missed it, and nothing else", async () => {
  const rig = rigOf(30, 0);
  await rig.clock.advance(LOOK_MS);
  rig.told.length = 0;
  await rig.clock.advance(9 * LOOK_MS);
  assert.is(rig.told.length, 1);
  await rig.clock.advance(5 * LOOK_MS);
  assert.is(rig.told.length, 2);
  rig.leading.stop();
  assert.is(rig.clock.pendingTimers, 0);
});

test.run();
