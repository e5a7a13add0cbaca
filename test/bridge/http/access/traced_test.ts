import { test } from "uvu";
import * as assert from "uvu/assert";
import { KeyRing } from "../../../../bridge/keys/key_ring.ts";
import { systemClock } from "../../../../runtime/clock.ts";
import { createLogger } from "../../../../telemetry/logs.ts";
import { NO_TRACER, type Tracer } from "../../../../telemetry/tracing.ts";
import { keyRig } from "../../keys/key_rig.ts";
import { startTestServer } from "../bridge_fixture.ts";
import { call } from "../client.ts";

test("A request that is not let in begins no span, whatever its traceparent says", async () => {
  const rig = await keyRig();
  const { key } = await rig.add("read", "docs");
  const begun: string[] = [];
  const tracer: Tracer = {
    ...NO_TRACER,
    isOn: true,
    begin(_traceparent, _requestId, { name }) {
      begun.push(name);
      return null;
    },
  };
  const logger = createLogger({ level: "silent", node: "n" });
  const ring = await KeyRing.open({ path: rig.path, dataDir: rig.folder, checkMs: 60_000, clock: systemClock(), logger });
  const server = await startTestServer({ keys: ring, logger, tracer });
  try {
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const ask = async (path: string, given: Record<string, string>) =>
      (await call(server.url, "POST", path, { body: { query: "x" }, headers: { traceparent, ...given } })).status;
    const search = "/v1/collections/docs/search";
    const authorization = `Bearer ${key}`;
    assert.is(await ask(search, {}), 401);
    assert.is(await ask(search, { authorization: `${authorization}x` }), 401);
    assert.is(await ask(search, { authorization, origin: "http://evil.example" }), 403);
    assert.is(await ask("/v1/collections/docs/warm", { authorization }), 403);
    assert.equal(begun, []);
    assert.is(await ask(search, { authorization }), 404);
    assert.equal(begun, ["POST /v1/collections/{collection}/search"]);
  } finally {
    await server.stop();
    await ring.close();
    await rig.remove();
  }
});

test.run();
