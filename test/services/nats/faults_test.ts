// What goes wrong between two nodes and NATS: each has an outcome, a counter and, where an operator has to act, a log line.
import { type AddressInfo, createServer, type Socket } from "node:net";
import { type MsgHdrs, headers as natsHeaders } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { kennelError } from "../../../runtime/errors.ts";
import type { NatsServer } from "../../../tooling/servers/nats.ts";
import { encodeBody } from "../../../transport/nats/body.ts";
import { NATS_HEADERS, readError, writeHeaders } from "../../../transport/nats/headers.ts";
import { partsOf } from "../../../transport/nats/parts.ts";
import { nodeSubject } from "../../../transport/nats/subjects.ts";
import type { Endpoint, StreamEndpoint } from "../../../transport/transport.ts";
import { headersFor, rejects } from "../../transport/transport_contract.ts";
import { type NodeRig, openLink, openNode, startServer, startServers, until, WAIT_MS } from "./nats_rig.ts";

const test = suite("faults between nodes and NATS");
const ECHO: Endpoint<{ readonly text: string }, { readonly text: string }> = { name: "echo" };
const HANG: Endpoint<object, never> = { name: "hang" };
const COUNT: StreamEndpoint<object, string> = { name: "count" };
const never = new AbortController().signal;

async function onNodes(
  servers: readonly NatsServer[],
  journey: (asking: NodeRig, answering: NodeRig) => Promise<void>,
  options: Parameters<typeof openNode>[2] = {},
): Promise<void> {
  const asking = await openNode("asking", servers);
  const answering = await openNode("answering", servers, options);
  try {
    await journey(asking, answering);
  } finally {
    await asking.close();
    await answering.close();
  }
}

async function onServer(
  journey: (asking: NodeRig, answering: NodeRig, server: NatsServer) => Promise<void>,
  configuration = "",
  options: Parameters<typeof openNode>[2] = {},
): Promise<void> {
  const server = await startServer({ configuration });
  try {
    await onNodes([server], (asking, answering) => journey(asking, answering, server), options);
  } finally {
    await server.stop();
  }
}

/** A handler that ends when it is let go. */
function gate() {
  let open = (): void => {};
  let onCalled = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const called = new Promise<void>((resolve) => {
    onCalled = resolve;
  });
  return { open, called, onCalled, opened };
}

test("A node that is not there is refused at once as unavailable", () =>
  onServer(async (asking) => {
    const error = await rejects(asking.transport.to("nobody").request(ECHO, { text: "a" }, headersFor(WAIT_MS), never), "unavailable");
    assert.match(error.message, "Nobody serves");
  }));

test("What is under way when NATS goes away fails at once, new requests are refused, and both work again when it is back", () =>
  onServer(async (asking, answering, server) => {
    const held = gate();
    answering.transport.serve(HANG, async () => {
      held.onCalled();
      return new Promise<never>(() => {});
    });
    answering.transport.serve(ECHO, async (body) => body);
    const peer = asking.transport.to("answering");
    const outcome = rejects(peer.request(HANG, {}, headersFor(60_000), never), "unavailable");
    await held.called;
    server.kill("SIGKILL");
    assert.match((await outcome).message, "lost");
    assert.is(asking.link.state.kind, "isolated");
    assert.is(peer.isConnected, false);
    assert.match((await rejects(peer.request(ECHO, { text: "a" }, headersFor(60_000), never), "unavailable")).message, "cut off");
    await server.restart();
    await Promise.all([asking, answering].map(({ link }) => link.untilConnected(AbortSignal.timeout(WAIT_MS))));
    await until("the other node's subscription is back", () =>
      peer.request(ECHO, { text: "again" }, headersFor(2_000), never).then(
        ({ text }) => text === "again",
        () => false,
      ),
    );
    assert.is(asking.counts.of("cut_off"), 1);
    assert.is(asking.link.connections, 2);
  }));

test("A NATS server that hangs is left for another one of its cluster", async () => {
  const { servers, stop } = await startServers();
  const nodes: NodeRig[] = [];
  try {
    for (const [place, name] of ["asking", "answering"].entries())
      nodes.push(await openNode(name, [servers[place] as NatsServer, servers[2] as NatsServer]));
    const [asking, answering] = nodes as [NodeRig, NodeRig];
    answering.transport.serve(ECHO, async (body) => body);
    const echo = () =>
      asking.transport
        .to("answering")
        .request(ECHO, { text: "a" }, headersFor(1_000), never)
        .then(
          () => true,
          () => false,
        );
    await until("servers know of each other's subscriptions", echo);
    const first = servers.find(({ name }) => asking.link.state.kind === "connected" && name === asking.link.state.server) as NatsServer;
    first.kill("SIGSTOP");
    try {
      await asking.counts.until("cut_off");
      await until("the node asks over another server", echo);
      assert.ok(asking.link.state.kind === "connected" && asking.link.state.server !== first.name);
    } finally {
      first.kill("SIGCONT");
    }
  } finally {
    for (const node of nodes) await node.close();
    await stop();
  }
});

test("A reply after the deadline is counted and reaches nobody", () =>
  onServer(async (asking, answering) => {
    answering.transport.serve(HANG, () => new Promise<never>(() => {}));
    const replies: string[] = [];
    answering.link.client?.subscribe(nodeSubject("answering", "hang"), { callback: (_error, { reply = "" }) => replies.push(reply) });
    await answering.link.client?.flush();
    await rejects(asking.transport.to("answering").request(HANG, {}, headersFor(100), never), "deadline_exceeded");
    await until("the request was seen", () => replies.length > 0);
    answering.link.client?.publish(replies[0] as string, "late");
    await asking.counts.until("late_reply");
  }));

test("An asker that has gone ends the stream that it asked for", () =>
  onServer(async (asking, answering, server) => {
    const held = gate();
    const asker = await openNode("asker", [server]);
    answering.transport.serveStream(COUNT, async function* (_body, _headers, signal) {
      signal.addEventListener("abort", held.open, { once: true });
      for (let place = 0; !signal.aborted; place++) {
        yield `chunk ${place}`;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    });
    const chunks = asker.transport.to("answering").stream(COUNT, {}, headersFor(60_000), never)[Symbol.asyncIterator]();
    assert.is((await chunks.next()).value, "chunk 0");
    await asker.link.client?.close(); // as a process that is killed: nothing is said
    await held.opened;
    await answering.counts.until("asker_gone");
    assert.is(answering.transport.inFlight, 0);
    await asker.close();
    assert.is(asking.link.isConnected, true);
  }));

test("An answer that nobody waits for any more is counted", () =>
  onServer(async (asking, answering) => {
    answering.transport.serve(ECHO, async (body) => body);
    const options = { reply: "_INBOX.nobody.1", headers: writeHeaders(headersFor(WAIT_MS)) };
    asking.link.client?.publish(nodeSubject("answering", "echo"), encodeBody({ text: "a" }), options);
    await answering.counts.until("asker_gone");
  }));

test("A request that does not fit into a message is refused by name and limit, and the connection stays", () =>
  onServer(async (asking, answering) => {
    answering.transport.serve(ECHO, async (body) => body);
    const peer = asking.transport.to("answering");
    const error = await rejects(peer.request(ECHO, { text: "a".repeat(1_100_000) }, headersFor(WAIT_MS), never), "payload_too_large");
    assert.match(error.message, /The request has 11\d{5} bytes, and NATS carries at most 1048576/);
    assert.is(asking.counts.of("oversized_request"), 1);
    assert.equal(await peer.request(ECHO, { text: "b" }, headersFor(WAIT_MS), never), { text: "b" });
    assert.equal([asking.link.connections, answering.link.connections], [1, 1]);
  }));

test("An answer that does not fit into a message comes in parts, whatever its size up to the bound; beyond it there is an error", () =>
  onServer(async (asking, answering) => {
    const LARGE: Endpoint<{ readonly length: number }, { readonly text: string; readonly bytes: Uint8Array }> = { name: "large" };
    const textOf = (length: number) => Array.from({ length: Math.ceil(length / 10) }, (_, at) => String(at).padStart(10, "-")).join("");
    answering.transport.serve(LARGE, async ({ length }) => ({ text: textOf(length), bytes: new Uint8Array(10).fill(length % 251) }));
    const peer = asking.transport.to("answering");
    for (const length of [1_048_500, 1_048_580, 2_097_152, 9_000_000]) {
      const answer = await peer.request(LARGE, { length }, headersFor(WAIT_MS), never);
      assert.ok(answer.text === textOf(length), `${length} characters`);
      assert.is(answer.bytes[9], length % 251);
    }
    assert.ok(answering.counts.of("answer_in_parts") >= 3);
    const error = await rejects(peer.request(LARGE, { length: 17_000_000 }, headersFor(WAIT_MS), never), "payload_too_large");
    assert.match(error.message, /The answer has 170\d{5} bytes, .*ask over HTTP/);
    assert.is(answering.counts.of("oversized_answer"), 1);
    assert.equal([asking.link.connections, answering.link.connections], [1, 1]);
  }));

test("A node of an earlier version, which puts no parts together, is told that an answer does not fit", () =>
  onServer(async (asking, answering) => {
    answering.transport.serve(ECHO, async ({ text }) => ({ text: text.repeat(4) }));
    const message = await asking.link.client?.request(nodeSubject("answering", "echo"), encodeBody({ text: "a".repeat(500_000) }), {
      timeout: WAIT_MS,
      headers: writeHeaders(headersFor(WAIT_MS)),
    });
    const error = readError(message?.headers);
    assert.is(error?.code, "payload_too_large");
    assert.match(error?.message ?? "", /The answer has 20\d{5} bytes, and NATS carries at most 1048576/);
    assert.is(answering.counts.of("oversized_answer"), 1);
  }));

test("An answer in parts of which one is lost is refused as unavailable, so that another node is asked", () =>
  onServer(async (asking, answering) => {
    answering.transport.serve(HANG, () => new Promise<never>(() => {}));
    const replies: string[] = [];
    answering.link.client?.subscribe(nodeSubject("answering", "hang"), { callback: (_error, { reply = "" }) => replies.push(reply) });
    await answering.link.client?.flush();
    const outcome = rejects(asking.transport.to("answering").request(HANG, {}, headersFor(60_000), never), "unavailable");
    await until("the request was seen", () => replies.length > 0);
    const [, second] = partsOf(new Uint8Array(3_000_000), 1_048_576);
    answering.link.client?.publish(replies[0] as string, second?.payload, { headers: second?.headers as MsgHdrs });
    assert.match((await outcome).message, "A part of the answer was lost");
    assert.is(asking.counts.of("answer_part_lost"), 1);
  }));

test("A message that is not one of Kennel's gets an answer that says so and is counted", () =>
  onServer(async (asking, answering) => {
    answering.transport.serve(ECHO, async (body) => body);
    const { client } = asking.link;
    const subject = nodeSubject("answering", "echo");
    const plain = await client?.request(subject, "{}", { timeout: WAIT_MS });
    assert.is(readError(plain?.headers)?.code, "invalid_request");
    const wrongBody = await client?.request(subject, new Uint8Array([0xc1]), {
      timeout: WAIT_MS,
      headers: writeHeaders(headersFor(WAIT_MS)),
    });
    assert.is(readError(wrongBody?.headers)?.code, "invalid_request");
    const wrongHeaders = natsHeaders();
    wrongHeaders.set(NATS_HEADERS.requestId, "r");
    wrongHeaders.set(NATS_HEADERS.timeoutMs, "1e400");
    assert.is(
      readError((await client?.request(subject, "x", { timeout: WAIT_MS, headers: wrongHeaders }))?.headers)?.code,
      "invalid_request",
    );
    client?.publish(subject, "x");
    await answering.counts.until("no_reply_subject");
    assert.is(answering.counts.of("malformed_request"), 3);
  }));

test("More requests at once than a node answers are refused as overloaded with a time to come back", () =>
  onServer(
    async (asking, answering) => {
      const held = gate();
      answering.transport.serve(ECHO, async (body) => {
        held.onCalled();
        await held.opened;
        return body;
      });
      const peer = asking.transport.to("answering");
      const first = peer.request(ECHO, { text: "first" }, headersFor(WAIT_MS), never);
      await held.called;
      const error = await rejects(peer.request(ECHO, { text: "second" }, headersFor(WAIT_MS), never), "overloaded");
      assert.ok((error.retryAfterMs ?? 0) > 0);
      held.open();
      assert.equal(await first, { text: "first" });
      assert.is(answering.counts.of("overloaded"), 1);
    },
    "",
    { maxInFlight: 1 },
  ));

test("A node that stops answers what it has begun, and says draining to the rest", () =>
  onServer(async (asking, answering) => {
    const held = gate();
    answering.transport.serve(ECHO, async (body) => {
      held.onCalled();
      await held.opened;
      return body;
    });
    const peer = asking.transport.to("answering");
    const first = peer.request(ECHO, { text: "first" }, headersFor(WAIT_MS), never);
    await held.called;
    const closed = answering.transport.close(WAIT_MS);
    await rejects(peer.request(ECHO, { text: "second" }, headersFor(WAIT_MS), never), "draining");
    held.open();
    assert.equal(await first, { text: "first" });
    await closed;
  }));

const ACCOUNTS = `
accounts { KENNEL: { jetstream: enabled, users: [
  { user: node, password: "s3cret-of-node" },
  { user: mute, password: "s3cret-of-mute", permissions: { publish: { deny: ["kennel.v1.node.>"] } } },
  { user: deaf, password: "s3cret-of-deaf", permissions: { subscribe: { deny: ["kennel.v1.>"] } } }
] } }
`;
const as = (user: string) => ({ credentials: { kind: "user" as const, user, password: `s3cret-of-${user}` } });

test("A user without the permission to publish is told at once which subject it was, without waiting for the deadline", async () => {
  const server = await startServer({ configuration: ACCOUNTS });
  const mute = await openNode("mute", [server], as("mute"));
  const answering = await openNode("answering", [server], as("node"));
  try {
    answering.transport.serve(ECHO, async (body) => body);
    const error = await rejects(mute.transport.to("answering").request(ECHO, { text: "a" }, headersFor(60_000), never), "unavailable");
    assert.match(error.message, 'refuses this node the subject "kennel.v1.node.answering.echo"');
    assert.is(mute.counts.of("permission_denied"), 1);
    assert.equal(mute.link.denied, ["publish kennel.v1.node.answering.echo"]);
  } finally {
    await mute.close();
    await answering.close();
    await server.stop();
  }
});

test("A user that may not subscribe keeps its connection, and the state says what it lacks", async () => {
  const server = await startServer({ configuration: ACCOUNTS });
  const deaf = await openNode("deaf", [server], as("deaf"));
  try {
    await deaf.counts.until("permission_denied");
    assert.equal(deaf.link.denied, ["subscription kennel.v1.node.deaf.>"]);
    assert.is(deaf.link.isConnected, true);
  } finally {
    await deaf.close();
    await server.stop();
  }
});

test("A wrong password leaves the node isolated, with the cause and without the password, until the account is mended", async () => {
  const server = await startServer({ configuration: ACCOUNTS });
  const rig = openLink([server], { credentials: { kind: "user", user: "node", password: "wr0ng" } });
  try {
    await until("the node knows that it is cut off", () => rig.link.state.kind === "isolated");
    const state = JSON.stringify(rig.link.state);
    assert.match(state, /AUTHORIZATION_VIOLATION|CONNECTION_REFUSED/);
    assert.not.match(state, "wr0ng");
  } finally {
    await rig.close();
    await server.stop();
  }
});

test("A server that takes connections and says nothing is given up after its time, and its sockets with it", async () => {
  const sockets = new Set<Socket>();
  const silent = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const { port } = silent.address() as AddressInfo;
  const rig = openLink([{ address: `127.0.0.1:${port}` }], { connectTimeoutMs: 50, reconnectMs: 10, maxReconnectMs: 10 });
  try {
    await rig.counts.until("attempt_failed", 5);
    await until("sockets of attempts that were given up are closed", () => sockets.size <= 1);
  } finally {
    await rig.close();
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => silent.close(resolve));
  }
});

test("A connection to a server that hangs is let go within its limit", async () => {
  const server = await startServer();
  const rig = openLink([server], { pingIntervalMs: 60_000 });
  try {
    await rig.link.untilConnected(AbortSignal.timeout(WAIT_MS));
    server.kill("SIGSTOP");
    await rig.link.close(50);
    assert.is(rig.link.state.kind, "closed");
  } finally {
    server.kill("SIGCONT");
    await server.stop();
  }
});

test("A connection that was never made is tried for until there is a server, and closing ends the trying", async () => {
  const server = await startServer();
  await server.kill("SIGKILL");
  const rig = openLink([server]);
  const other = openLink([{ address: "127.0.0.1:1" }]);
  try {
    await rig.counts.until("cut_off");
    assert.is(rig.link.state.kind, "isolated");
    await server.restart();
    await rig.link.untilConnected(AbortSignal.timeout(WAIT_MS));
    await other.counts.until("cut_off");
    await other.close();
    assert.is(other.link.state.kind, "closed");
    await other.link.untilConnected(AbortSignal.abort(kennelError("cancelled"))).then(
      () => assert.unreachable(),
      (error) => assert.is(error.code, "cancelled"),
    );
  } finally {
    await rig.close();
    await server.stop();
  }
});

test.run();
