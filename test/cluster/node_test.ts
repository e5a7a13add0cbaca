import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Digest } from "../../cluster/membership/digest.ts";
import { type Seat, seatOf } from "../../cluster/membership/groups.ts";
import { type Heartbeat, type ReadyTold, WIRE_VERSION } from "../../cluster/membership/heartbeat.ts";
import { ClusterNode } from "../../cluster/node.ts";
import { CLUSTER_OPTIONS } from "../../cluster/options.ts";
import { hashName } from "../../cluster/placement/rendezvous.ts";
import { seededRandom } from "../../runtime/random.ts";
import { manualClock } from "../support/manual_clock.ts";
import { beatOf } from "./beats.ts";

const test = suite("cluster node");

function node({ isShared = true, meshNodes = 300 } = {}) {
  const monotonic = manualClock();
  let setByMs = 0;
  const clock = Object.assign(Object.create(monotonic) as typeof monotonic, { wallMs: () => monotonic.wallMs() + setByMs });
  const sent: Heartbeat[] = [];
  const toGroup: { readonly seat: Seat; readonly beat: Heartbeat }[] = [];
  const digests: Digest[] = [];
  const heard: (readonly Seat[])[] = [];
  const asked: { readonly node: string; readonly settle: (told: ReadyTold | null) => void }[] = [];
  const events: string[] = [];
  let reads = 0;
  const cluster = new ClusterNode<object, object>(
    { name: "self", weight: 1, stores: "shared", isShared },
    {
      clock,
      random: seededRandom(7),
      network: {
        isConnected: true,
        publishHeartbeat: (beat) => void sent.push(beat),
        publishToGroup: (seat, beat) => void toGroup.push({ seat, beat }),
        publishDigest: (digest) => void digests.push(digest),
        hearGroups: (seats) => void heard.push(seats),
        askReady: (asking, _timeoutMs, settle) => void asked.push({ node: asking, settle }),
        publishControl: () => undefined,
        send: () => () => undefined,
        readLease: () => {
          reads += 1;
        },
        writeLease: () => undefined,
      },
      local: {
        load: () => ({ lagMs: 0, inFlight: 0, queue: 0, capacity: 1, url: "", busy: new Map(), mode: "full" }),
        ready: () => new Set<string>(),
        replicasOf: () => 1,
        mayHedge: () => true,
        serve: () => () => undefined,
        warm: () => undefined,
        release: () => undefined,
      },
      onEvent: ({ kind }) => void events.push(kind),
    },
    { ...CLUSTER_OPTIONS, groups: { ...CLUSTER_OPTIONS.groups, meshNodes } },
  );
  cluster.start();
  const { startedMs } = cluster.incarnation;
  const stranger = (sequence: number, at: number, changes: Partial<Heartbeat> = {}) =>
    cluster.hearHeartbeat(beatOf("other", sequence, { stores: "others", incarnation: { startedMs: startedMs + at, id: `s${at}` }, ...changes })); // biome-ignore format: one thought
  const setWallClock = (byMs: number) => {
    setByMs += byMs;
  };
  return { clock, cluster, sent, toGroup, digests, heard, asked, events, stranger, startedMs, setWallClock, reads: () => reads };
}

test("A heartbeat of its own former incarnation that comes back late is nobody else's with its name", async () => {
  const { clock, cluster, sent, events } = node();
  const before = sent[0] as Heartbeat;
  clock.stall(6_000);
  await clock.advance(200);
  assert.is.not(cluster.incarnation.id, before.incarnation.id);
  cluster.hearHeartbeat(before);
  assert.is(cluster.isExcluded, false);
  assert.equal(events, ["stood_still"]);
  cluster.hearHeartbeat({ ...before, incarnation: { ...before.incarnation, id: "another" } });
  assert.is(cluster.isExcluded, true);
  cluster.stop();
});

test("A node gives way to strangers that answer clients and were there first, and answers again when they have gone", async () => {
  const { clock, cluster, sent, events, stranger } = node();
  stranger(1, -1_000);
  await clock.advance(500);
  assert.is(cluster.isAnswering, false);
  await clock.advance(500);
  assert.is(sent.at(-1)?.answersClients, false);
  stranger(2, -1_000);
  await clock.advance(4_500);
  assert.is(cluster.isAnswering, false);
  await clock.advance(1_000);
  assert.is(cluster.isAnswering, true);
  assert.equal(events, ["foreign", "yields", "answers"]);
  cluster.stop();
});

test("A node does not give way to strangers that came later, that answer nobody, or after one of its own", async () => {
  const { clock, cluster, stranger, startedMs } = node();
  stranger(1, 1_000);
  stranger(1, -1_000, { answersClients: false });
  await clock.advance(500);
  assert.is(cluster.isAnswering, true);
  cluster.hearHeartbeat(beatOf("peer", 1, { incarnation: { startedMs: startedMs - 2_000, id: "p" } }));
  stranger(1, -1_500);
  await clock.advance(500);
  assert.is(cluster.isAnswering, true);
  cluster.stop();
});

test("A node that shares its stores with nobody asks for no lease", async () => {
  const [shared, own] = [node(), node({ isShared: false })];
  for (const { clock } of [shared, own]) await clock.advance(10_000);
  assert.ok(shared.reads() > 0);
  assert.is(own.reads(), 0);
});

test("A wall clock that is set is told of and changes nothing: who lives, leads and answers stays", async () => {
  const { clock, cluster, events, sent, setWallClock } = node();
  const beat = () => cluster.hearHeartbeat(beatOf("peer", sent.length + 1));
  beat();
  for (const byMs of [86_400_000, -172_800_000]) {
    setWallClock(byMs);
    for (let at = 0; at < 4; at++) {
      beat();
      await clock.advance(500);
    }
  }
  assert.is(cluster.membership.find("peer")?.state, "alive");
  assert.equal(events, ["joined", "clock_jumped", "clock_jumped"]);
  cluster.stop();
});

test("A clock that is being set right by small steps is not told of", async () => {
  const { clock, cluster, events, setWallClock } = node();
  for (let at = 0; at < 5; at++) {
    setWallClock(300);
    await clock.advance(500);
  }
  assert.equal(events, []);
  cluster.stop();
});

test("A node of another wire version is a member like any other, and told of once", () => {
  const { cluster, events } = node();
  for (const sequence of [1, 2, 3]) cluster.hearHeartbeat(beatOf("later", sequence, { wire: WIRE_VERSION + 1 }));
  assert.is(cluster.membership.find("later")?.state, "alive");
  assert.equal(events, ["joined", "other_wire"]);
  cluster.stop();
});

/** Five nodes beside this one that say something twice a second, as members of a group or to all. */
async function withPeers(rig: ReturnType<typeof node>, forMs: number, changes: Partial<Heartbeat> = {}, silent: readonly string[] = []) {
  const { clock, cluster } = rig;
  for (const endMs = clock.monotonicMs() + forMs; clock.monotonicMs() < endMs; await clock.advance(500)) {
    sequence += 1;
    const { count } = cluster.groups;
    for (const name of PEERS.filter((each) => !silent.includes(each)))
      cluster.hearHeartbeat(beatOf(name, sequence, changes), count === 0 ? null : seatOf(hashName(name), count));
  }
}

const PEERS = ["p0", "p1", "p2", "p3", "p4"];
let sequence = 0;

test("Beyond as many nodes as a mesh is for, heartbeats go to a group, and to all for a while yet", async () => {
  const rig = node({ meshNodes: 5 });
  await withPeers(rig, 2_500);
  assert.equal([rig.cluster.groups.count, rig.toGroup.length], [0, 0], "what comes may go");
  await withPeers(rig, 3_000);
  assert.is(rig.cluster.groups.count, 2);
  assert.equal(rig.heard, [[seatOf(hashName("self"), 2)]]);
  assert.ok(rig.toGroup.length > 0);
  await withPeers(rig, 2_000);
  const sent = rig.sent.length;
  await withPeers(rig, 2_000);
  assert.is(rig.sent.length, sent, "to all no more");
  rig.cluster.stop();
});

test("A node that hears no digests makes a mesh of all at once", async () => {
  const rig = node({ meshNodes: 5 });
  await withPeers(rig, 8_000);
  assert.is(rig.cluster.groups.count, 2);
  const sent = rig.sent.length;
  rig.cluster.hearHeartbeat(beatOf("older", 1, { wire: 1 }));
  await withPeers(rig, 500);
  assert.is(rig.cluster.groups.count, 0);
  assert.ok(rig.sent.length > sent);
  rig.cluster.stop();
});

test("A mesh it stays where strangers hear no digests: they would take this cluster for gone, and answer its clients", async () => {
  const rig = node({ meshNodes: 5 });
  for (let at = 0; at < 20; at++) {
    rig.stranger(at + 1, 5_000, { wire: 1 });
    await withPeers(rig, 500);
  }
  assert.is(rig.cluster.groups.count, 0);
  rig.cluster.stop();
});

test("Who drains or leaves says so to all at once", async () => {
  const rig = node({ meshNodes: 5 });
  await withPeers(rig, 9_000);
  const before = rig.sent.length;
  rig.cluster.drain(() => undefined);
  assert.equal(
    rig.sent.slice(before).map(({ isDraining, isLeaving }) => [isDraining, isLeaving]),
    [[true, false]],
  );
  await withPeers(rig, 3_000);
  assert.equal(
    rig.sent.slice(before).map(({ isDraining, isLeaving }) => [isDraining, isLeaving]),
    [
      [true, false],
      [true, true],
    ],
  );
});

test("A digest of one that had this name before is no sign of another with it; one that goes on is", async () => {
  const { clock, cluster, startedMs } = node();
  const before = beatOf("self", 7, { incarnation: { startedMs: startedMs - 9_000, id: "before" } });
  const tell = (beat: Heartbeat, ageMs: number) =>
    cluster.hearDigest({ node: "speaker", stores: "shared", seat: { count: 2, group: 0 }, beats: [{ beat, ageMs }] });
  tell(before, 100);
  await clock.advance(1_000);
  tell(before, 1_100);
  assert.is(cluster.isExcluded, false);
  tell({ ...before, sequence: 9 }, 100);
  assert.is(cluster.isExcluded, true);
  cluster.stop();
});

test("What is ready at a node that digests tell of is asked for where it was not heard, and not asked again", async () => {
  const rig = node();
  const tell = async (forMs: number) => {
    for (let told = 0; told < forMs; told += 500) {
      sequence += 1;
      const beat = beatOf("far", sequence, { ready: { version: 3, names: null } });
      rig.cluster.hearDigest({ node: "speaker", stores: "shared", seat: { count: 2, group: 0 }, beats: [{ beat, ageMs: 200 }] });
      await rig.clock.advance(500);
    }
  };
  await tell(3_000);
  assert.equal(
    rig.asked.map(({ node: name }) => name),
    ["far"],
  );
  rig.asked[0]?.settle({ incarnation: "far-1", version: 2, names: new Set(["old"]) });
  assert.is(rig.cluster.membership.find("far")?.ready, null, "it has changed since");
  await tell(3_000);
  assert.is(rig.asked.length, 2);
  rig.asked[1]?.settle({ incarnation: "far-1", version: 3, names: new Set(["docs"]) });
  assert.equal([...(rig.cluster.membership.find("far")?.ready ?? [])], ["docs"]);
  await tell(6_000);
  assert.is(rig.asked.length, 2);
  rig.cluster.stop();
});

test.run();
