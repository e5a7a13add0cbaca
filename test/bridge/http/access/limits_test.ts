/** A key's limits as its callers meet them, over HTTP and over NATS. */
import { headers as natsHeaders } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { OwnLimits } from "../../../../bridge/keys/grant.ts";
import { KeyRing } from "../../../../bridge/keys/key_ring.ts";
import { MessageRequest } from "../../../../bridge/nats/message_request.ts";
import { createLogger } from "../../../../telemetry/logs.ts";
import { createMetrics } from "../../../../telemetry/metrics.ts";
import { type ManualClock, manualClock } from "../../../support/manual_clock.ts";
import { type KeyRig, keyRig } from "../../keys/key_rig.ts";
import { encoded, startTestServer, type TestServer } from "../bridge_fixture.ts";
import { call, errorOf } from "../client.ts";

interface State {
  rig: KeyRig;
  ring: KeyRing;
  server: TestServer;
  clock: ManualClock;
  metrics: ReturnType<typeof createMetrics>;
  key: (limits: Partial<OwnLimits>) => Promise<string>;
}

const test = suite<State>("limits of keys");

test.before.each(async (state) => {
  state.rig = await keyRig();
  state.clock = manualClock();
  state.metrics = createMetrics({ version: "1", runtime: "test", maxCollections: 1, maxActors: 1, maxKeys: 2 });
  const logger = createLogger({ level: "silent", node: "n" });
  const { path, folder } = state.rig;
  const { clock } = state;
  state.ring = await KeyRing.open({ path, dataDir: folder, checkMs: 60_000, clock, logger });
  state.server = await startTestServer({ keys: state.ring, accessMetrics: state.metrics.access, clock });
  state.key = async (limits) => {
    const { key } = await state.rig.add("write", "*", { limits: { rate_per_second: null, burst: null, max_concurrent: null, ...limits } });
    await state.ring.check();
    return key;
  };
});
test.after.each(async ({ server, ring, rig }) => {
  await server.stop();
  await ring.close();
  await rig.remove();
});

const bearer = (key: string) => ({ headers: { authorization: `Bearer ${key}` } });

test("Over HTTP a key beyond its rate is answered 429 with the time to come back, and let in then", async ({ server, key, clock }) => {
  const [limited, other] = [await key({ rate_per_second: 0.5, burst: 2 }), await key({})];
  const list = (by: string) => call(server.url, "GET", "/v1/collections", bearer(by));
  assert.equal([(await list(limited)).status, (await list(limited)).status], [200, 200]);
  const refused = await list(limited);
  assert.is(errorOf(refused, "beyond the rate").code, "overloaded");
  assert.equal([refused.headers.get("retry-after"), refused.headers.get("retry-after-ms")], ["2", "2000"]);
  assert.is((await list(other)).status, 200);
  clock.advanceNow(1_999);
  assert.is((await list(limited)).status, 429);
  clock.advanceNow(1);
  assert.is((await list(limited)).status, 200);
  assert.is((await call(server.url, "GET", "/healthz")).status, 200);
});

test("Over NATS the same bucket is asked", async ({ server, key }) => {
  const limited = await key({ rate_per_second: 0.5, burst: 2 });
  await call(server.url, "PUT", "/v1/collections/docs", bearer(limited));
  const ask = async () => {
    const headers = natsHeaders();
    headers.set("Authorization", `Bearer ${limited}`);
    const body = new TextEncoder().encode(JSON.stringify({ query: "words" }));
    return server.bridge.answer(new MessageRequest("POST", "/v1/collections/docs/search", body, headers), "nats");
  };
  assert.is((await ask()).status, 200);
  const refused = await ask();
  assert.equal([refused.status, refused.headers["retry-after-ms"]], [429, "2000"]);
});

test("A key's requests under way are bounded, and one that has ended or failed makes room", async ({ server, key }) => {
  const limited = await key({ max_concurrent: 1 });
  await call(server.url, "PUT", "/v1/collections/docs", bearer(limited));
  const arrived = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  server.node.answerSearch = async () => {
    arrived.resolve();
    await release.promise;
    return encoded([]);
  };
  const search = () => call(server.url, "POST", "/v1/collections/docs/search", { ...bearer(limited), body: { query: "x" } });
  const held = search();
  await arrived.promise;
  assert.is(errorOf(await search(), "a second one").code, "overloaded");
  release.resolve();
  assert.is((await held).status, 200);
  assert.is((await call(server.url, "PUT", "/v1/mode", { ...bearer(limited), body: { mode: null } })).status, 403);
  assert.is((await search()).status, 200, "one that was forbidden holds no place");
  const chat = { model: "docs", stream: true, messages: [{ role: "user", content: "words?" }] };
  assert.is((await call(server.url, "POST", "/v1/chat/completions", { ...bearer(limited), body: chat })).status, 200);
  assert.is((await search()).status, 200, "nor does a stream that has ended");
});

test("What keys meet is counted by key up to a bound, never by the key itself", async ({ server, key, metrics }) => {
  const keys = await Promise.all([0, 1, 2, 3].map(async (turn) => (turn === 0 ? key({ rate_per_second: 0.001, burst: 1 }) : "")));
  for (let turn = 1; turn < 4; turn++) keys[turn] = await key({ rate_per_second: 0.001, burst: 1 });
  for (const one of keys) for (let turn = 0; turn < 2; turn++) await call(server.url, "GET", "/v1/collections", bearer(one));
  const text = await metrics.render();
  const series = text.split("\n").filter((line) => line.startsWith("kennel_key_limited_total{"));
  assert.is(series.length, 3, "two keys of their own, the others together");
  assert.ok(series.some((line) => line.includes('key="_other"') && line.endsWith(" 2")));
  assert.match(text, 'kennel_access_refused_total{reason="limit"} 4');
  for (const one of keys) assert.not.match(text, one.slice(20));
});

test.run();
