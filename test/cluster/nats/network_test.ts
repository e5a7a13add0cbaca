import type { NatsConnection } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { natsNetwork } from "../../../cluster/nats/network.ts";
import type { NatsLink } from "../../../transport/nats/link.ts";
import { beatOf } from "../beats.ts";

const test = suite("what a node tells all others");

function rig(maxPayloadBytes: number) {
  const published: { readonly subject: string; readonly text: string }[] = [];
  const counted: string[] = [];
  const client = { publish: (subject: string, text: string) => void published.push({ subject, text }) } as unknown as NatsConnection;
  const link = { maxPayloadBytes, client, isConnected: true } as unknown as NatsLink;
  const network = natsNetwork<object, object>({ link, stores: "s", ask: () => Promise.reject(new Error("nobody")), count: (event) => void counted.push(event), keepControl: () => {} }); // biome-ignore format: one thought
  return { network, published, counted };
}

test("A leader's word that does not fit into a message is not sent, and counted: all keep the last one", () => {
  const { network, published, counted } = rig(1_000);
  const exceptions = new Map(Array.from({ length: 100 }, (_, at) => [`collection-${at}`, ["a", "b"]]));
  network.publishControl({ epoch: 1, sequence: 1, exceptions, replicas: new Map(), mode: "full" });
  assert.equal(published, []);
  assert.equal(counted, ["oversized_publication"]);
  network.publishControl({ epoch: 1, sequence: 2, exceptions: new Map(), replicas: new Map(), mode: "full" });
  assert.is(published[0]?.subject, "kennel.v1.cluster.control.s");
});

test("A heartbeat that does not fit is sent with fewer names: a node that is not heard would count as dead", () => {
  const { network, published, counted } = rig(1_000);
  const names = new Set(Array.from({ length: 500 }, (_, at) => `collection-${at}`));
  network.publishHeartbeat(beatOf("a", 1, { ready: { version: 1, names } }));
  const [sent] = published;
  assert.ok((sent?.text.length ?? 0) <= 1_000);
  assert.ok(JSON.parse(sent?.text ?? "{}").ready.names.length > 0);
  assert.equal(counted, []);
});

test.run();
