import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Heartbeat } from "../../cluster/membership/heartbeat.ts";
import { ClusterNode } from "../../cluster/node.ts";
import { CLUSTER_OPTIONS } from "../../cluster/options.ts";
import { seededRandom } from "../../runtime/random.ts";
import { manualClock } from "../support/manual_clock.ts";
import { beatOf } from "./beats.ts";

const test = suite("cluster node");

function node({ isShared = true } = {}) {
  const monotonic = manualClock();
  let setByMs = 0;
  const clock = Object.assign(Object.create(monotonic) as typeof monotonic, { wallMs: () => monotonic.wallMs() + setByMs });
  const sent: Heartbeat[] = [];
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
    CLUSTER_OPTIONS,
  );
  cluster.start();
  const { startedMs } = cluster.incarnation;
  const stranger = (sequence: number, at: number, changes: Partial<Heartbeat> = {}) =>
    cluster.hearHeartbeat(beatOf("other", sequence, { stores: "others", incarnation: { startedMs: startedMs + at, id: `s${at}` }, ...changes })); // biome-ignore format: one thought
  const setWallClock = (byMs: number) => {
    setByMs += byMs;
  };
  return { clock, cluster, sent, events, stranger, startedMs, setWallClock, reads: () => reads };
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
  for (const sequence of [1, 2, 3]) cluster.hearHeartbeat(beatOf("later", sequence, { wire: 2 }));
  assert.is(cluster.membership.find("later")?.state, "alive");
  assert.equal(events, ["joined", "other_wire"]);
  cluster.stop();
});

test.run();
