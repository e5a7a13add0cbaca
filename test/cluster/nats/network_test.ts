import type { NatsConnection } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { encodeDigest } from "../../../cluster/membership/digest.ts";
import { encodeHeartbeat } from "../../../cluster/membership/heartbeat.ts";
import { natsNetwork } from "../../../cluster/nats/network.ts";
import type { LinkUser, NatsLink } from "../../../transport/nats/link.ts";
import { beatOf } from "../beats.ts";

const test = suite("what a node tells all others");

function rig(maxPayloadBytes: number) {
  const published: { readonly subject: string; readonly text: string }[] = [];
  const counted: string[] = [];
  const client = { publish: (subject: string, text: string) => void published.push({ subject, text }) } as unknown as NatsConnection;
  const link = { maxPayloadBytes, client, isConnected: true } as unknown as NatsLink;
  const network = natsNetwork<object, object>({ link, stores: "s", ask: () => Promise.reject(new Error("nobody")), askReady: () => Promise.reject(new Error("nobody")), count: (event) => void counted.push(event), keepControl: () => {} }); // biome-ignore format: one thought
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

/** Clients that remember what was subscribed to, and let the test say something there. */
function clients() {
  const attached: LinkUser[] = [];
  const make = () => {
    const subscribed = new Map<string, (text: string) => void>();
    const client = {
      isClosed: () => false,
      publish: () => undefined,
      subscribe(subject: string, { callback }: { callback(error: null, message: { string(): string }): void }) {
        subscribed.set(subject, (text) => callback(null, { string: () => text }));
        return { unsubscribe: () => subscribed.delete(subject) };
      },
    } as unknown as NatsConnection;
    for (const user of attached) user.onClient?.(client);
    return subscribed;
  };
  const link = { maxPayloadBytes: 1_000, isConnected: true, attach: (user: LinkUser) => attached.push(user) } as unknown as NatsLink;
  return { link, make };
}

test("A node is sent its groups' heartbeats alone, also by the next client, and is told in which group each came", () => {
  const { link, make } = clients();
  const counted: string[] = [];
  const network = natsNetwork<object, object>({ link, stores: "s", ask: () => Promise.reject(new Error("nobody")), askReady: () => Promise.reject(new Error("nobody")), count: (event) => void counted.push(event), keepControl: () => {} }); // biome-ignore format: one thought
  const heard: string[] = [];
  network.hearGroups([{ count: 2, group: 1 }]);
  network.listen({
    heartbeat: ({ node }, seat) => void heard.push(`${node} ${seat?.count}.${seat?.group}`),
    digest: ({ node, beats }) => void heard.push(`${node} of ${beats.length}`),
    control: () => undefined,
    change: () => undefined,
    connected: () => undefined,
  });
  const groupsOf = (subscribed: ReadonlyMap<string, unknown>) => [...subscribed.keys()].filter((subject) => subject.includes(".group."));
  const first = make();
  assert.equal(groupsOf(first), ["kennel.v1.cluster.group.s.2.1"]);
  network.hearGroups([
    { count: 4, group: 3 },
    { count: 2, group: 1 },
  ]);
  network.hearGroups([{ count: 4, group: 3 }]);
  assert.equal(groupsOf(first), ["kennel.v1.cluster.group.s.4.3"]);
  const second = make();
  assert.equal(groupsOf(second), ["kennel.v1.cluster.group.s.4.3"]);
  second.get("kennel.v1.cluster.group.s.4.3")?.(encodeHeartbeat(beatOf("a", 1)));
  second.get("kennel.v1.cluster.heartbeat")?.(encodeHeartbeat(beatOf("b", 1)));
  const digest = { node: "c", stores: "s", seat: { count: 4, group: 0 }, beats: [{ beat: beatOf("d", 1), ageMs: 5 }] };
  for (const text of [...encodeDigest(digest, 1_000), "{}"]) second.get("kennel.v1.cluster.digest")?.(text);
  assert.equal(heard, ["a 4.3", "b undefined.undefined", "c of 1"]);
  assert.equal(counted, ["malformed_digest"]);
});

test.run();
