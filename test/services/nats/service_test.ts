// A node asked over NATS: what its clients get, what the stock command shows, and what happens when NATS goes and comes.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { connect, createInbox, type NatsConnection, headers as natsHeaders, RequestStrategy } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ClusterClient, type KennelRefusal } from "../../../examples/nats_cluster.ts";
import type { NatsServer } from "../../../tooling/servers/nats.ts";
import { onNode } from "../../journeys/node_rig.ts";
import { natsCommandPath } from "../../support/services.ts";
import { startServer, until, WAIT_MS } from "./nats_rig.ts";

const test = suite("the service over NATS");
const run = promisify(execFile);
const PETS = [
  { id: "beagle", title: "Beagle", text: "A small scent hound, bred to hunt hare.", attributes: { kind: "dog" } },
  { id: "manx", title: "Manx", text: "A cat without a tail, from the Isle of Man.", attributes: { kind: "cat" } },
];

interface Asked {
  readonly server: NatsServer;
  readonly client: NatsConnection;
  readonly url: string;
  ask(subject: string, body: unknown, headers?: Readonly<Record<string, string>>): Promise<Reply>;
  status(): Promise<{ readonly nats: Readonly<Record<string, unknown>> }>;
  /** The node. */
  stop(): Promise<void>;
  restart(settings: Readonly<Record<string, string>>): Promise<void>;
}

interface Reply {
  readonly body: Readonly<Record<string, unknown>> & { readonly error?: Readonly<Record<string, unknown>> };
  header(name: string): string;
}

async function onService(journey: (asked: Asked) => Promise<void>, configuration = ""): Promise<void> {
  const server = await startServer({ configuration });
  const client = await connect({ servers: server.address, reconnectTimeWait: 50, maxReconnectAttempts: -1 });
  try {
    await onNode({ KENNEL_NATS_URL: server.url, KENNEL_NATS_MAX_RECONNECT_MS: "200", KENNEL_NATS_STREAM_CHECK_MS: "200" }, async (rig) => {
      const status = async () => (await (await fetch(`${rig.node.url}/v1/status`)).json()) as Awaited<ReturnType<Asked["status"]>>;
      await until("the service is there", async () => (await status()).nats.service === "running");
      await client.flush();
      await journey({
        server,
        client,
        url: rig.node.url,
        status,
        stop: () => rig.node.stop("test"),
        restart: (settings) => rig.restart(undefined, { KENNEL_NATS_URL: server.url, ...settings }),
        async ask(subject, body, given = {}) {
          const headers = natsHeaders();
          for (const [name, value] of Object.entries(given)) headers.set(name, value);
          const reply = await client.request(subject, typeof body === "string" ? body : JSON.stringify(body), {
            timeout: WAIT_MS,
            headers,
          });
          return { body: JSON.parse(reply.string()), header: (name) => reply.headers?.get(name) ?? "" };
        },
      });
    });
  } finally {
    await client.close();
    await server.stop();
  }
}

/** The collection `pets`, searchable. */
async function withPets({ ask, url }: Asked): Promise<void> {
  await fetch(`${url}/v1/collections/pets`, { method: "PUT", headers: { "content-type": "application/json" }, body: "{}" });
  const job = (await ask("kennel.v1.ingest.pets", { documents: PETS })).body;
  await until("the job is done", async () => (await ask(`kennel.v1.jobs.${job.id}`, "")).body.status === "completed");
}

async function searchOverHttp(
  url: string,
  body: object,
  collection = "pets",
): Promise<{ readonly data: readonly { readonly document_id: string }[] }> {
  const headers = { "content-type": "application/json" };
  return (await fetch(`${url}/v1/collections/${collection}/search`, { method: "POST", headers, body: JSON.stringify(body) })).json();
}

/** Chunks until the empty message, as `requestMany` has them. */
async function chunks(client: NatsConnection, subject: string, body: unknown): Promise<readonly string[]> {
  const found: string[] = [];
  const options = { strategy: RequestStrategy.SentinelMsg, maxWait: WAIT_MS };
  for await (const message of await client.requestMany(subject, JSON.stringify(body), options)) {
    if (message.data.length > 0) found.push(message.string());
  }
  return found;
}

test("Documents are added, their job is followed, and they are found, with the collection in subject or body", () =>
  onService(async (asked) => {
    await withPets(asked);
    const { ask, url } = asked;
    const found = await ask("kennel.v1.search.pets", { query: "hunting dogs", top_k: 1 }, { "X-Request-Id": "r-7" });
    assert.is((found.body.data as { document_id: string }[])[0]?.document_id, "beagle");
    assert.is(found.header("X-Request-Id"), "r-7");
    const named = await ask("kennel.v1.search", { collection: "pets", query: "without a tail", top_k: 1 });
    assert.is((named.body.data as { document_id: string }[])[0]?.document_id, "manx");
    assert.equal(found.body.data, (await searchOverHttp(url, { query: "hunting dogs", top_k: 1 })).data);
    const added = await ask("kennel.v1.ingest", { collection: "pets", documents: [{ id: "hare", text: "Zürich's hares 🐇" }] });
    assert.is(added.body.object, "job");
    await until("it is found", async () => (await ask("kennel.v1.search.pets", { query: "Zürich" })).body.index_version === 2);
    assert.is(((await ask("kennel.v1.status", "")).body.nats as { state: string }).state, "connected");
  }));

test("A conversation comes in chunks and ends with an empty message, or as one answer where that is asked for", () =>
  onService(async (asked) => {
    await withPets(asked);
    const { client, ask } = asked;
    const question = { messages: [{ role: "user", content: "Which cat has no tail?" }] };
    const parts = (await chunks(client, "kennel.v1.chat.pets", question)).map((part) => JSON.parse(part));
    assert.ok(parts.length >= 3, `${parts.length} chunks`);
    assert.match(parts.map(({ choices }) => choices[0]?.delta.content ?? "").join(""), "without a tail");
    assert.is(parts.at(-1).choices[0].finish_reason, "stop");
    const whole = await ask("kennel.v1.chat", { ...question, model: "pets", stream: false });
    assert.is(whole.body.object, "chat.completion");
    assert.is(whole.header("X-Kennel-Mode"), "no_rewrite");
  }));

test("Errors carry the table's code in headers and the same body as over HTTP, and say which field", () =>
  onService(async ({ ask, client }) => {
    const cases: readonly [
      subject: string,
      body: unknown,
      headers: Record<string, string>,
      code: string,
      status: string,
      param: string | null,
    ][] = [
      ["kennel.v1.search.none", { query: "a" }, {}, "not_found", "404", "collection"],
      ["kennel.v1.search.none", { query: "a", top_k: 0 }, {}, "invalid_request", "400", "top_k"],
      ["kennel.v1.search.none", "{", {}, "invalid_request", "400", null],
      ["kennel.v1.search", { query: "a" }, {}, "invalid_request", "400", "collection"],
      ["kennel.v1.search", "[]", {}, "invalid_request", "400", null],
      ["kennel.v1.search", "", {}, "invalid_request", "400", null],
      ["kennel.v1.search.b%61d", { query: "a" }, {}, "invalid_request", "400", "collection"],
      ["kennel.v1.search.none", { query: "a" }, { "X-Request-Timeout-Ms": "soon" }, "invalid_request", "400", "X-Request-Timeout-Ms"],
      ["kennel.v1.search.none", { query: "a" }, { "Content-Type": "text/html" }, "unsupported_media_type", "415", "Content-Type"],
      ["kennel.v1.chat", { messages: [] }, {}, "invalid_request", "400", "model"],
      ["kennel.v1.chat.none", { messages: [{ role: "user", content: "a" }] }, {}, "not_found", "404", "model"],
      ["kennel.v1.ingest.none", { documents: [] }, {}, "not_found", "404", "collection"],
      ["kennel.v1.jobs.none", "", {}, "not_found", "404", "job"],
    ];
    for (const [subject, body, headers, code, status, param] of cases) {
      const reply = await ask(subject, body, headers);
      const where = `${subject} ${JSON.stringify(body)}`;
      assert.equal([reply.body.error?.code, reply.body.error?.param], [code, param], where);
      assert.equal([reply.header("Nats-Service-Error-Code"), reply.header("Kennel-Error-Code")], [status, code], where);
      assert.is(reply.header("Nats-Service-Error"), reply.body.error?.message, where);
    }
    client.publish("kennel.v1.search.none", "nobody waits for this");
    assert.is((await ask("kennel.v1.status", "")).body.readiness, "ok");
  }));

test("An answer that does not fit into a message is refused by name", () =>
  onService(async ({ ask, url }) => {
    await fetch(`${url}/v1/collections/long`, { method: "PUT", headers: { "content-type": "application/json" }, body: "{}" });
    const text = "Hares are fast. ".repeat(3_000);
    const documents = [...Array(16).keys()].map((place) => ({ id: `${place}`, text }));
    const job = (await ask("kennel.v1.ingest.long", { documents })).body;
    await until("the job is done", async () => (await ask(`kennel.v1.jobs.${job.id}`, "")).body.status === "completed");
    const large = await ask("kennel.v1.search.long", { query: "hares", top_k: 1_000, strategy: "bm25" });
    assert.is(large.body.error?.code, "payload_too_large");
    assert.is(large.header("Nats-Service-Error-Code"), "413");
    assert.match(String(large.body.error?.message), /NATS carries at most \d+ in one message.*or ask over HTTP/);
    const [bytes, maxBytes] = ["Kennel-Answer-Bytes", "Kennel-Max-Bytes"].map((name) => Number(large.header(name)));
    assert.is(maxBytes, 900 * 1024);
    assert.ok(Number(bytes) > Number(maxBytes));
    assert.match(String(large.body.error?.message), new RegExp(`has ${bytes} bytes.*at most ${maxBytes} .*about \\d+ % of it would fit`));
    const fewer = Math.floor((16 * Number(maxBytes)) / Number(bytes)) - 1;
    assert.not((await ask("kennel.v1.search.long", { query: "hares", top_k: fewer, strategy: "bm25" })).body.error, "what it says fits");
    const body = JSON.stringify({ query: "hares", top_k: 1_000, strategy: "bm25" });
    const overHttp = await fetch(`${url}/v1/collections/long/search`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
    });
    assert.is(overHttp.status, 200);
    assert.not((await ask("kennel.v1.search.long", { query: "hares", top_k: 10, include: [] })).body.error);
  }, "max_payload: 900KB"));

test("An answer that does not fit comes in parts to a client that says it takes them, and a short one as ever", () =>
  onService(async ({ ask, client, url }) => {
    await fetch(`${url}/v1/collections/long`, { method: "PUT", headers: { "content-type": "application/json" }, body: "{}" });
    const documents = [...Array(8).keys()].map((place) => ({ id: `${place}`, text: "Häsen are fast. ".repeat(400) }));
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ documents }); // which does not fit either
    const job = await (await fetch(`${url}/v1/collections/long/documents`, { method: "POST", headers, body })).json();
    await until("the job is done", async () => (await ask(`kennel.v1.jobs.${job.id}`, "")).body.status === "completed");
    const kennel = new ClusterClient(client);
    const asked = { query: "fast", top_k: 100, strategy: "bm25" };
    const found = await kennel.search("long", asked, WAIT_MS);
    const overHttp = (await searchOverHttp(url, asked, "long")).data;
    assert.equal(found.data, overHttp);
    assert.ok(JSON.stringify(found.data).length > 40_000);
    assert.is((await kennel.search("long", { ...asked, top_k: 1, include: [] }, WAIT_MS)).data.length, 1);
    const metrics = await (await fetch(`${url}/metrics`)).text();
    assert.match(metrics, /kennel_nats_events_total\{event="answer_in_parts"\} 1/);
    const { code } = (await kennel.search("none", asked, WAIT_MS).catch((error) => error)) as KennelRefusal;
    assert.is(code, "not_found");
  }, "max_payload: 16KB"));

test("The node goes on over HTTP and stays ready while NATS is away, and the service is back with it", () =>
  onService(async (asked) => {
    await withPets(asked);
    const { server, status, url, client } = asked;
    server.kill("SIGKILL");
    await until("the status says isolated", async () => (await status()).nats.state === "isolated");
    assert.is((await fetch(`${url}/readyz`)).status, 200);
    assert.is((await searchOverHttp(url, { query: "hunting dogs" })).data[0]?.document_id, "beagle");
    assert.match(await (await fetch(`${url}/metrics`)).text(), /kennel_nats_connected 0/);
    await server.restart();
    await until("the service answers again", () =>
      // What is sent while its own connection is away reaches nobody: the asker asks again.
      client.request("kennel.v1.search.pets", '{"query":"hunting dogs"}', { timeout: 500 }).then(
        (reply) => !reply.headers?.has("Nats-Service-Error"),
        () => false,
      ),
    );
    const { nats } = await status();
    assert.equal([nats.state, nats.connections], ["connected", 2]);
    const metrics = await (await fetch(`${url}/metrics`)).text();
    assert.match(metrics, /kennel_nats_connected 1/);
    assert.match(metrics, /kennel_nats_events_total\{event="cut_off"\} 1/);
    assert.match(metrics, /kennel_nats_requests_total\{endpoint="search_collection",status="200"\}/);
  }));

test("A node starts without its NATS server, serves over HTTP, and joins when the server is there", async () => {
  const server = await startServer();
  server.kill("SIGKILL");
  try {
    await onNode({ KENNEL_NATS_URL: server.url, KENNEL_NATS_MAX_RECONNECT_MS: "100" }, async ({ node }) => {
      const state = async () => ((await (await fetch(`${node.url}/v1/status`)).json()) as { nats: { state: string } }).nats.state;
      await until("the node knows that it is cut off", async () => (await state()) === "isolated");
      assert.is((await fetch(`${node.url}/readyz`)).status, 200);
      await server.restart();
      await until("the node is connected", async () => (await state()) === "connected");
    });
  } finally {
    await server.stop();
  }
});

test("A stream that captures questions is named in the status for as long as it does", () =>
  onService(async ({ client, status }) => {
    await until("the streams were looked at", async () => (await status()).nats.captured !== null);
    assert.equal((await status()).nats.captured, []);
    const streams = (await client.jetstreamManager()).streams;
    for (const subjects of [["kennel.>"], ["kennel.v1.search.pets"], ["kennel.*.chat"]]) {
      await streams.add({ name: "thief", subjects });
      await until(`${subjects} is reported`, async () => JSON.stringify((await status()).nats.captured).includes('"thief"'));
      await streams.delete("thief");
      await until("it is reported no more", async () => JSON.stringify((await status()).nats.captured) === "[]");
    }
    await streams.add({ name: "events", subjects: ["kennel.v1.events.>", "kennel.v1.work.>"] });
    await until("the streams were looked at again", async () => (await status()).nats.captured !== null);
    assert.equal((await status()).nats.captured, []);
  }));

test("A node that stops has left the service before it refuses anything, and answers what it has begun", () =>
  onService(async (asked) => {
    await withPets(asked);
    const { client, restart, status } = asked;
    const answers = [...Array(20).keys()].map((place) =>
      asked.ask("kennel.v1.search.pets", { query: `hare ${place}` }).then(({ body }) => body.error ?? null),
    );
    await client.flush();
    await restart({});
    assert.equal(await Promise.all(answers), Array(20).fill(null));
    assert.is((await status()).nats.state === "isolated", false);
  }));

test("An asker that leaves in the middle of a conversation is noticed", () =>
  onService(async (asked) => {
    await withPets(asked);
    const { client, url } = asked;
    const body = JSON.stringify({ messages: [{ role: "user", content: "Which cat has no tail?" }] });
    client.publish("kennel.v1.chat.pets", body, { reply: createInbox() }); // which nobody has subscribed to
    await until("it is counted", async () =>
      /kennel_nats_events_total\{event="asker_gone"\} [1-9]/.test(await (await fetch(`${url}/metrics`)).text()),
    );
  }));

test("The stock command discovers the service, shows its endpoints and figures, and asks it", () =>
  onService(async (asked) => {
    await withPets(asked);
    const ran = (args: readonly string[]) =>
      run(natsCommandPath(), ["--server", asked.server.url, ...args], { timeout: WAIT_MS, env: { ...process.env, HOME: "/nonexistent" } });
    const nats = async (...args: readonly string[]) => (await ran(args)).stdout;
    assert.match(await nats("micro", "ls"), "kennel");
    const info = await nats("micro", "info", "kennel");
    for (const text of ["kennel.v1.search.*", "kennel.v1.chat", "kennel.v1.ingest", "kennel.v1.status", "Queue Group: kennel", "journey"])
      assert.match(info, text);
    const found = await nats("req", "--raw", "kennel.v1.search.pets", '{"query":"hunting dogs","top_k":1}');
    assert.match(found, '"document_id":"beagle"');
    const chat = await nats(
      "req",
      "--raw",
      "--wait-for-empty",
      "kennel.v1.chat.pets",
      '{"messages":[{"role":"user","content":"Which cat has no tail?"}]}',
    );
    assert.match(chat, "without a tail");
    const refused = await ran(["req", "kennel.v1.search.none", '{"query":"a"}']);
    assert.match(refused.stderr, "Nats-Service-Error-Code: 404");
    const stats = await nats("micro", "stats", "kennel");
    assert.match(stats, "search_collection");
    const schemas = JSON.parse(await nats("req", "--raw", "kennel.v1.schema", "")) as {
      data: { name: string; request: { properties?: { collection?: object } } | null }[];
    };
    assert.ok(schemas.data.find(({ name }) => name === "search")?.request?.properties?.collection);
    const figures = JSON.parse((await asked.client.request("$SRV.STATS.kennel", "", { timeout: WAIT_MS })).string());
    const search = figures.endpoints.find(({ name }: { name: string }) => name === "search_collection");
    assert.equal([search.num_requests, search.num_errors], [2, 1]);
    assert.ok(search.average_processing_time > 0);
  }));

test("Of two nodes on one NATS with other stores the first answers clients, and the other one when the first has gone", () =>
  onService(async (asked) => {
    await withPets(asked);
    const { server, client, url } = asked;
    const serviceOf = async (at: string) => ((await (await fetch(`${at}/v1/status`)).json()) as { nats: { service: string } }).nats.service;
    await onNode({ KENNEL_NATS_URL: server.url, KENNEL_NODE_NAME: "stranger" }, async (other) => {
      await until("the stranger gives way", async () => (await serviceOf(other.node.url)) === "yields");
      await client.flush();
      assert.is(await serviceOf(url), "running");
      for (let at = 0; at < 10; at++) {
        const found = await asked.ask("kennel.v1.search.pets", { query: "hunting dogs", top_k: 1 });
        assert.is(found.body.error, undefined);
      }
      await asked.stop();
      await until("the stranger answers", async () => (await serviceOf(other.node.url)) === "running");
      await client.flush();
      const reply = await client.request("kennel.v1.search.pets", JSON.stringify({ query: "x" }), { timeout: WAIT_MS });
      assert.is(reply.json<Reply["body"]>().error?.code, "not_found");
    });
  }));

test.run();
