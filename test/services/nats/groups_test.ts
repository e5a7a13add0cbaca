/** Heartbeats in groups over a real NATS: nodes here are the cluster's own code, each on a connection of its own, without what answers queries. */
import type { NatsConnection } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DIGEST_WIRE_VERSION, encodeHeartbeat } from "../../../cluster/membership/heartbeat.ts";
import { type NatsNetwork, natsNetwork } from "../../../cluster/nats/network.ts";
import { DIGEST_SUBJECT, HEARTBEAT_SUBJECT, readyToWire, type WireReady } from "../../../cluster/nats/wire.ts";
import { ClusterNode } from "../../../cluster/node.ts";
import { CLUSTER_OPTIONS } from "../../../cluster/options.ts";
import { systemClock } from "../../../runtime/clock.ts";
import { systemRandom } from "../../../runtime/random.ts";
import type { NatsServer } from "../../../tooling/servers/nats.ts";
import type { Endpoint } from "../../../transport/transport.ts";
import { beatOf } from "../../cluster/beats.ts";
import { headersFor } from "../../transport/transport_contract.ts";
import { type NodeRig, openNode, startServer, until } from "./nats_rig.ts";

/** Two groups: b, d and f, and a, c and e; the first to speak of them are f and a. */
const NAMES = ["a", "b", "c", "d", "e", "f"];
const MESH_NODES = 4;
const STORES = "shared";
const READY_SET: Endpoint<object, WireReady> = { name: "ready_set" };

class Node {
  readonly name: string;
  readonly events: string[] = [];
  readonly cluster: ClusterNode<object, object>;
  ready: ReadonlySet<string>;
  readonly #rig: NodeRig;
  readonly #detach: () => void;

  static async start(name: string): Promise<Node> {
    return new Node(name, await openNode(name, [server as NatsServer]));
  }

  private constructor(name: string, rig: NodeRig) {
    this.name = name;
    this.ready = new Set([`of-${name}`]);
    this.#rig = rig;
    const never = new AbortController().signal;
    const network: NatsNetwork<object, object> = natsNetwork<object, object>({
      link: rig.link,
      stores: STORES,
      ask: () => Promise.reject(new Error("No queries here")),
      askReady: (node, timeoutMs) => rig.transport.to(node).request(READY_SET, {}, headersFor(timeoutMs), never),
      count: rig.counts.add,
      keepControl: () => undefined,
    });
    this.cluster = new ClusterNode(
      { name, weight: 1, stores: STORES, isShared: true },
      {
        clock: systemClock(),
        random: systemRandom(),
        network,
        local: {
          load: () => ({ lagMs: 0, inFlight: 0, queue: 0, capacity: 8, url: "", busy: new Map(), mode: "full" }),
          ready: () => this.ready,
          replicasOf: () => 1,
          mayHedge: () => true,
          serve: () => () => undefined,
          warm: (_collection, ended) => ended(),
          release: () => undefined,
        },
        onEvent: ({ kind, node }) => void this.events.push(`${kind} ${node}`),
      },
      { ...CLUSTER_OPTIONS, groups: { ...CLUSTER_OPTIONS.groups, meshNodes: MESH_NODES } },
    );
    rig.transport.serve(READY_SET, async () => readyToWire(this.cluster.readySet));
    this.#detach = network.listen({
      heartbeat: (beat, seat) => this.cluster.hearHeartbeat(beat, seat),
      digest: (digest) => this.cluster.hearDigest(digest),
      control: (control) => this.cluster.hearControl(control),
      change: () => undefined,
      connected: () => undefined,
    });
    this.cluster.start();
  }

  stateOf(node: string): string | null {
    return this.cluster.membership.find(node)?.state ?? null;
  }

  knows(node: string, name: string): boolean {
    return this.cluster.membership.find(node)?.ready?.has(name) === true;
  }

  /** Without a word, as one that is killed. */
  async kill(): Promise<void> {
    this.cluster.stop();
    this.#detach();
    await this.#rig.close();
  }

  async drain(): Promise<void> {
    await new Promise<void>((resolve) => this.cluster.drain(resolve));
    await this.kill();
  }
}

let server: NatsServer | undefined;
let listener: NodeRig | undefined;
const nodes = new Map<string, Node>();
const test = suite("heartbeats in groups over NATS");

const of = (name: string) => nodes.get(name) as Node;
const client = () => listener?.link.client as NatsConnection;
const all = () => [...nodes.values()];
const areGrouped = () => all().every(({ cluster }) => cluster.groups.count === 2);
const suspicions = () => all().flatMap(({ events }) => events.filter((event) => event.startsWith("suspected")));

/** Who is heard on a subject that all hear, while `what` lasts. */
async function heardOn(subject: string, what: () => Promise<void>): Promise<string[]> {
  const heard = new Set<string>();
  const subscription = client().subscribe(subject, { callback: (_error, message) => heard.add(message.json<{ node: string }>().node) });
  await what();
  subscription.unsubscribe();
  return [...heard].sort();
}

/** All of them have said so much more. */
async function beats(count: number): Promise<void> {
  const sequenceOf = (node: Node) => node.cluster.membership.find(node.name)?.beat.sequence ?? 0;
  const before = new Map(all().map((node) => [node, sequenceOf(node)]));
  await until("heartbeats go on", () => all().every((node) => sequenceOf(node) >= (before.get(node) ?? 0) + count));
}

test.before(async () => {
  server = await startServer();
  listener = await openNode("listener", [server]);
  for (const name of NAMES) nodes.set(name, await Node.start(name));
});
test.after(async () => {
  for (const node of all()) await node.kill();
  await listener?.close();
  await server?.stop();
});

test("More nodes than a mesh is for fall into groups, and each still knows of all: who lives, and what is ready there", async () => {
  await until("all are in groups", areGrouped);
  await beats(6); // they have left the mesh
  assert.equal(await heardOn(HEARTBEAT_SUBJECT, () => beats(3)), []);
  assert.equal(await heardOn(DIGEST_SUBJECT, () => beats(3)), ["a", "f"]);
  for (const node of all())
    for (const other of NAMES)
      assert.equal([node.stateOf(other), node.knows(other, `of-${other}`)], ["alive", true], `${node.name}: ${other}`);
  of("b").ready = new Set(["of-b", "docs"]);
  await until("what is new at b is known to all", () => all().every((node) => node.knows("b", "docs")));
  assert.equal(suspicions(), []);
});

test("One that joins is known to all, and asks what digests do not tell again", async () => {
  nodes.set("g", await Node.start("g"));
  const joined = of("g");
  await until("it is known", () => all().every((node) => node.stateOf("g") === "alive" && node.knows("g", "of-g")));
  await until("it knows all", () => NAMES.every((name) => joined.stateOf(name) === "alive" && joined.knows(name, `of-${name}`)));
  assert.ok(joined.knows("b", "docs"));
  await until("it is in a group", areGrouped);
  assert.equal(suspicions(), []);
});

test("When the node that speaks for its group is killed, another one does, and nobody but it is suspected", async () => {
  await of("f").kill();
  nodes.delete("f");
  await until("all know", () => all().every((node) => node.stateOf("f") === "dead"));
  assert.equal([...new Set(suspicions())], ["suspected f"]);
  await until("d speaks in its place", () => of("d").cluster.groups.isSpeaking);
  for (const node of all()) for (const other of nodes.keys()) assert.is(node.stateOf(other), "alive", `${node.name}: ${other}`);
});

test("One that drains tells all at once, and is suspected by nobody when it has left", async () => {
  of("a").ready = new Set(["of-a", "of-d"]); // d may go: what it holds is ready in the other group
  const said = await heardOn(HEARTBEAT_SUBJECT, async () => {
    await of("d").drain();
    nodes.delete("d");
    await until("all have heard its goodbye", () => all().every((node) => node.stateOf("d") === "left"));
  });
  assert.equal(said, ["d"]);
  for (const node of all())
    assert.ok(node.events.indexOf("draining d") >= 0 && node.events.indexOf("draining d") < node.events.indexOf("left d"));
  assert.equal([...new Set(suspicions())], ["suspected f"]);
});

test("While a node is there that hears no digests, all are a mesh, and it hears them all", async () => {
  let sequence = 0;
  const older = () => {
    sequence += 1;
    client().publish(HEARTBEAT_SUBJECT, encodeHeartbeat(beatOf("older", sequence, { wire: DIGEST_WIRE_VERSION - 1 })));
  };
  older();
  const timer = setInterval(older, 400);
  try {
    await until("all are a mesh", () => all().every(({ cluster }) => cluster.groups.count === 0));
    assert.equal(await heardOn(HEARTBEAT_SUBJECT, () => beats(2)), [...nodes.keys(), "older"].sort());
    for (const node of all()) for (const other of nodes.keys()) assert.is(node.stateOf(other), "alive", `${node.name}: ${other}`);
  } finally {
    clearInterval(timer);
  }
  await until("it is forgotten, and there are groups again", areGrouped);
  assert.not.ok(
    suspicions().some((event) => !/ (f|older)$/.test(event)),
    String(suspicions()),
  );
});

test.run();
