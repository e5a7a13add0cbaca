import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { SearchRequest } from "../../../actors/retriever/search.ts";
import { kennelError } from "../../../runtime/errors.ts";
import { createLogger } from "../../../telemetry/logs.ts";
import { manualClock } from "../../support/manual_clock.ts";
import { encoded, startTestServer, TEST_LIMITS, type TestServer } from "./bridge_fixture.ts";
import { type Call, call, errorOf } from "./client.ts";

const test = suite("Limits, deadlines and endings");

/** A search that answers when told to, and says when it has arrived and whether it was aborted. */
function heldSearch(server: TestServer) {
  const arrived = Promise.withResolvers<SearchRequest>();
  const release = Promise.withResolvers<void>();
  const aborted = Promise.withResolvers<unknown>();
  server.node.answerSearch = async (request, signal) => {
    signal.addEventListener("abort", () => aborted.resolve(signal.reason));
    arrived.resolve(request);
    await release.promise;
    return encoded([]);
  };
  return { arrived: arrived.promise, release: release.resolve, aborted: aborted.promise };
}

async function start(changes: Parameters<typeof startTestServer>[0] = {}) {
  const server = await startTestServer(changes);
  await call(server.url, "PUT", "/v1/collections/docs");
  const search = (options: Call = {}) => call(server.url, "POST", "/v1/collections/docs/search", { body: { query: "x" }, ...options });
  return { server, search };
}

test("A request beyond those in flight is told overloaded and when to come again", async () => {
  const { server, search } = await start({ limits: { ...TEST_LIMITS, maxInFlight: 1 } });
  const held = heldSearch(server);
  const first = search();
  await held.arrived;
  const second = await search();
  assert.is(errorOf(second, "second").code, "overloaded");
  assert.equal([second.headers.get("retry-after"), second.headers.get("retry-after-ms")], ["1", "1000"]);
  assert.is((await call(server.url, "GET", "/healthz")).status, 200, "operations are answered all the same");
  held.release();
  assert.is((await first).status, 200);
  assert.is((await search()).status, 200, "its place is free again");
  await server.stop();
});

test("Bodies beyond the node's memory for them are told overloaded before they are read", async () => {
  const { server, search } = await start({ limits: { ...TEST_LIMITS, maxBufferedBytes: 64 } });
  const big = { body: { query: "x".repeat(100) } };
  assert.is(errorOf(await search(big), "big").code, "overloaded");
  assert.is((await search()).status, 200, "a small one fits");
  assert.is((await search()).status, 200, "and its room is given back");
  await server.stop();
});

test("A search is answered deadline_exceeded when its time is up, and the work is aborted", async () => {
  const clock = manualClock();
  const { server, search } = await start({ clock });
  const held = heldSearch(server);
  const pending = search({ headers: { "x-request-timeout-ms": "500" } });
  await held.arrived;
  await clock.advance(500);
  assert.is(errorOf(await pending, "late").code, "deadline_exceeded");
  await held.aborted;
  held.release();
  await server.stop();
});

test("Of header and body the smaller time holds, and either may ask for more than the default", async () => {
  const cases = [
    { header: "60000", body: 300, atMs: 300 },
    { header: "300", body: 60_000, atMs: 300 },
    { header: null, body: 40_000, atMs: 40_000 },
    { header: "40000", body: null, atMs: 40_000 },
    { header: null, body: null, atMs: TEST_LIMITS.defaultTimeoutMs },
    { header: "999999999", body: null, atMs: TEST_LIMITS.maxTimeoutMs },
  ];
  for (const { header, body, atMs } of cases) {
    const name = JSON.stringify({ header, body });
    const clock = manualClock();
    const { server, search } = await start({ clock });
    const held = heldSearch(server);
    let isAnswered = false;
    const pending = search({
      body: { query: "x", ...(body === null ? {} : { timeout_ms: body }) },
      headers: header === null ? {} : { "x-request-timeout-ms": header },
    }).finally(() => {
      isAnswered = true;
    });
    await held.arrived;
    await clock.advance(atMs - 1);
    // A whole other request goes through: had the first been answered, its answer would have come by now.
    await call(server.url, "GET", "/healthz");
    assert.is(isAnswered, false, `${name} is not answered early`);
    await clock.advance(1);
    assert.is(errorOf(await pending, name).code, "deadline_exceeded");
    held.release();
    await server.stop();
  }
});

test("A client that goes away aborts its search", async () => {
  const { server } = await start();
  const held = heldSearch(server);
  const client = new AbortController();
  const pending = fetch(`${server.url}/v1/collections/docs/search`, {
    method: "POST",
    body: '{"query":"x"}',
    headers: { "content-type": "application/json" },
    signal: client.signal,
  }).catch(() => "gone");
  await held.arrived;
  client.abort();
  await held.aborted;
  assert.is(await pending, "gone");
  held.release();
  await server.stop();
});

test("A drain that is announced still serves, and ends each connection", async () => {
  const { server, search } = await start();
  server.bridge.announceDrain();
  const reply = await search();
  assert.equal([reply.status, reply.headers.get("connection")], [200, "close"]);
  await server.stop();
});

test("A draining node refuses work, finishes what it has, and still tells how it is", async () => {
  const { server, search } = await start();
  const held = heldSearch(server);
  const first = search();
  await held.arrived;
  server.bridge.refuseWork();
  const refused = await search();
  assert.is(errorOf(refused, "new work").code, "draining");
  assert.is(refused.headers.get("connection"), "close");
  assert.is((await call(server.url, "GET", "/v1/status")).status, 200);
  assert.is(server.bridge.inFlight, 1);
  const idle = server.bridge.whenIdle(new AbortController().signal);
  held.release();
  assert.is((await first).status, 200);
  await idle;
  assert.is(server.bridge.inFlight, 0);
  await server.stop();
});

test("Waiting for quiet ends with its signal", async () => {
  const { server, search } = await start();
  const held = heldSearch(server);
  const first = search();
  await held.arrived;
  const limit = new AbortController();
  const idle = server.bridge.whenIdle(limit.signal).catch((reason: unknown) => reason);
  limit.abort("limit");
  assert.is(await idle, "limit");
  held.release();
  await first;
  await server.stop();
});

test("Every row of the error table that a search can throw is answered in its shape", async () => {
  const { server, search } = await start();
  for (const code of ["unavailable", "overloaded", "degraded", "deadline_exceeded", "not_found", "storage_full"] as const) {
    server.node.answerSearch = () => Promise.reject(kennelError(code, { retryAfterMs: 2_500 }));
    const reply = await search();
    assert.is(errorOf(reply, code).code, code);
    const isRetryable = code !== "deadline_exceeded" && code !== "not_found";
    assert.is(reply.headers.get("retry-after"), isRetryable ? "3" : null, code);
  }
  await server.stop();
});

test("What fails inside is logged without paths and secrets, and its answer tells nothing of it", async () => {
  const lines: string[] = [];
  const logger = createLogger({ level: "info", node: "test" }, { write: (line) => void lines.push(line) });
  const { server, search } = await start({ logger });
  server.node.answerSearch = () => Promise.reject(new Error("cannot open /data/secret.db with password=s3cr3t"));
  const reply = await search({ headers: { "x-request-id": "trace-me" } });
  assert.is(errorOf(reply, "internal").code, "internal");
  assert.not.match(reply.text, "secret");
  const logged = lines.find((line) => line.includes("cannot open")) ?? "";
  assert.match(logged, "trace-me");
  assert.match(logged, "cannot open [path] with password=[masked]");
  assert.not.match(lines.join(""), /s3cr3t|secret\.db|\bat .*\.ts/);
  await server.stop();
});

test("A well-formed request id is kept, another is replaced", async () => {
  const { server, search } = await start();
  assert.is((await search({ headers: { "x-request-id": "a.b:c-1" } })).headers.get("x-request-id"), "a.b:c-1");
  for (const id of ["has space", "x".repeat(129), '"quoted"']) {
    assert.match((await search({ headers: { "x-request-id": id } })).headers.get("x-request-id") ?? "", /^req_[0-9a-f]{16}$/);
  }
  await server.stop();
});

test("Pages of allowed origins may read answers, others may not", async () => {
  const { server, search } = await start();
  const allowed = await search({ headers: { origin: "https://app.example.com" } });
  assert.is(allowed.headers.get("access-control-allow-origin"), "https://app.example.com");
  const other = await search({ headers: { origin: "https://evil.example.com" } });
  assert.is(other.headers.get("access-control-allow-origin"), null);
  const preflight = await call(server.url, "OPTIONS", "/v1/collections/docs/search", { headers: { origin: "https://app.example.com" } });
  assert.is(preflight.status, 204);
  assert.match(preflight.headers.get("access-control-allow-methods") ?? "", "POST");
  await server.stop();
});

test("Every answer forbids guessing its type and being framed", async () => {
  const { server, search } = await start();
  for (const reply of [await search(), await call(server.url, "GET", "/nope"), await call(server.url, "GET", "/docs")]) {
    assert.is(reply.headers.get("x-content-type-options"), "nosniff");
    assert.match(reply.headers.get("content-security-policy") ?? "", "frame-ancestors 'none'");
  }
  await server.stop();
});

test.run();
