/** What a tool refuses is told of as what a route refuses, though its answer is none of HTTP's errors. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { KeyRing } from "../../../../bridge/keys/key_ring.ts";
import { systemClock } from "../../../../runtime/clock.ts";
import { createAuditLog } from "../../../../telemetry/audit/audit_log.ts";
import { createLogger } from "../../../../telemetry/logs.ts";
import { manualClock } from "../../../support/manual_clock.ts";
import { type KeyRig, keyRig } from "../../keys/key_rig.ts";
import { startTestServer, type TestServer } from "../bridge_fixture.ts";
import { call } from "../client.ts";

interface State {
  rig: KeyRig;
  ring: KeyRing;
  server: TestServer;
  lines: string[];
  refusals: string[];
  id: string;
  headers: Readonly<Record<string, string>>;
}

const test = suite<State>("audit of tools");

test.before(async (state) => {
  state.rig = await keyRig();
  state.lines = [];
  state.refusals = [];
  const { id, key } = await state.rig.add("read", "docs*");
  state.id = id;
  state.headers = { authorization: `Bearer ${key}`, "x-request-id": "asked" };
  const logger = createLogger({ level: "silent", node: "n" });
  state.ring = await KeyRing.open({ path: state.rig.path, dataDir: state.rig.folder, checkMs: 60_000, clock: systemClock(), logger });
  const audit = createAuditLog("n", manualClock(), { write: (line) => void state.lines.push(line), close: async () => undefined });
  const accessMetrics = { refused: (reason: string) => void state.refusals.push(reason), limited: () => undefined };
  state.server = await startTestServer({ keys: state.ring, audit, accessMetrics });
  await state.server.node.put("docs", { attributes: {} } as never);
});

test.before.each(({ lines, refusals }) => {
  lines.length = 0;
  refusals.length = 0;
});

test.after(async ({ server, ring, rig }) => {
  await server.stop();
  await ring.close();
  await rig.remove();
});

function tool({ server, headers }: State, name: string, given: object) {
  const body = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name, arguments: given } };
  return call(server.url, "POST", "/mcp", { headers, body });
}

test("A tool that is refused a collection has a line by the key's id, with the tool and what it was asked for", async (state) => {
  for (const [name, given, asked] of [
    ["search", { query: "what nobody may know", collection: "secrets" }, "secrets"],
    ["fetch", { id: "secrets/plan.md" }, "secrets/plan.md"],
  ] as const) {
    state.lines.length = 0;
    const { status, body } = await tool(state, name, given);
    assert.equal([status, (body as { result: { isError?: boolean } }).result.isError], [200, true]);
    assert.is(state.lines.length, 1);
    const { time: _time, level: _level, peer: _peer, ...line } = JSON.parse(state.lines[0] as string) as Record<string, unknown>;
    const request = { via: "http", method: "POST", route: "/mcp", target: "/mcp", status: 200, requestId: "asked" };
    const refusal = { event: "refused", keyId: state.id, outcome: "refused", reason: "grant", tool: name, asked };
    assert.equal(line, { node: "n", audit: true, ...request, ...refusal });
    assert.not.match(state.lines.join(""), "nobody");
  }
  assert.equal(state.refusals, ["grant", "grant"], "they count as other refusals do");
});

test("What a tool was asked for can end no line, make no other, and tells of no key", async (state) => {
  const key = state.headers.authorization?.slice("Bearer ".length) ?? "";
  await tool(state, "fetch", { id: `secrets/x\n{"audit":true,"event":"admin"}\u2028\r\n${key}${"y".repeat(200)}` });
  assert.is(state.lines.length, 1);
  const [line = ""] = state.lines;
  assert.is(line.indexOf("\n"), line.length - 1);
  const { event, asked } = JSON.parse(line) as { event: string; asked: string };
  assert.is(event, "refused");
  assert.match(asked, `kennel_${state.id}_[masked]`);
  assert.not.match(line, key.slice(-20));
});

test("A tool that answers, or finds nothing, leaves no line, and no tool changes anything", async (state) => {
  const { node } = state.server;
  await tool(state, "search", { query: "a" });
  await tool(state, "fetch", { id: "docs/none" });
  await tool(state, "none", {});
  assert.equal(state.lines, []);
  assert.equal([node.jobs.size, [...node.collections.keys()]], [0, ["docs"]]);
  const body = { jsonrpc: "2.0", id: 1, method: "tools/list", params: {} };
  const listed = await call(state.server.url, "POST", "/mcp", { headers: state.headers, body });
  const { tools } = (listed.body as { result: { tools: readonly { annotations: { readOnlyHint: boolean } }[] } }).result;
  assert.ok(
    tools.length > 0 && tools.every(({ annotations }) => annotations.readOnlyHint),
    "one that changes something needs a line for that",
  );
});

test.run();
