/** Every route, asked with every scope, by keys whose collections the request names and by others. */
import { headers as natsHeaders } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { needOf, ROUTE_NEEDS } from "../../../../bridge/http/access/route_needs.ts";
import type { Route } from "../../../../bridge/http/route.ts";
import { allowsScope, SCOPES, type Scope } from "../../../../bridge/keys/grant.ts";
import { KeyRing } from "../../../../bridge/keys/key_ring.ts";
import { MessageRequest } from "../../../../bridge/nats/message_request.ts";
import { systemClock } from "../../../../runtime/clock.ts";
import { createLogger } from "../../../../telemetry/logs.ts";
import { type KeyRig, keyRig } from "../../keys/key_rig.ts";
import { startTestServer, type TestServer } from "../bridge_fixture.ts";
import { type Call, call, errorOf } from "../client.ts";

interface State {
  rig: KeyRig;
  ring: KeyRing;
  server: TestServer;
  lines: string[];
  /** Headers by scope and pattern. */
  as: (scope: Scope, collections: string) => Record<string, string>;
}

/** `docs*` names what the requests below name, `other` does not. */
const PATTERNS = ["*", "docs*", "other"] as const;
const test = suite<State>("access");

test.before(async (state) => {
  state.rig = await keyRig();
  const keys = new Map<string, string>();
  for (const scope of SCOPES)
    for (const pattern of [...PATTERNS, "docs", "other,notes"]) keys.set(`${scope} ${pattern}`, (await state.rig.add(scope, pattern)).key);
  state.as = (scope, pattern) => ({ authorization: `Bearer ${keys.get(`${scope} ${pattern}`)}` });
  state.lines = [];
  const logger = createLogger({ level: "trace", node: "n" }, { write: (line: string) => void state.lines.push(line) });
  state.ring = await KeyRing.open({
    path: state.rig.path,
    dataDir: state.rig.folder,
    checkMs: 60_000,
    clock: systemClock(),
    logger,
  });
  state.server = await startTestServer({ keys: state.ring, logger });
});

test.after(async ({ server, ring, rig, lines }) => {
  await server.stop();
  await ring.close();
  await rig.remove();
  assert.ok(lines.length > 100);
  assert.not.match(lines.join("\n"), /kennel_[0-9a-f]{12}_/); // no key in any log
});

test.before.each(({ server, as }) => seed(server, as));

/** The same collections, documents and jobs before every request. */
async function seed({ url, node }: TestServer, as: State["as"]): Promise<void> {
  node.collections.clear();
  node.aliasRecords.clear();
  node.jobs.clear();
  const headers = as("admin", "*");
  for (const name of ["docs", "secret"]) {
    await call(url, "PUT", `/v1/collections/${name}`, { headers });
    const documents = [{ id: "guide.md", text: `words of ${name}` }];
    await call(url, "POST", `/v1/collections/${name}/documents`, { body: { documents }, headers });
  }
  for (const [alias, collection] of [
    ["current", "docs"],
    ["docs-hidden", "secret"],
  ])
    await call(url, "PUT", `/v1/aliases/${alias}`, { body: { collection }, headers });
}

/** Bodies that name a collection where the examples name another one. */
const BODIES: Readonly<Record<string, unknown>> = {
  "POST /v1/vector_stores": { name: "docs-new" },
  "PUT /v1/aliases/{alias}": { collection: "docs" },
};
/** Routes whose body names the collection. */
const NAMED_IN_BODY = [
  "POST /v1/search",
  "POST /v1/chat/completions",
  "POST /v1/vector_stores",
  "POST /dify/retrieval",
  "PUT /v1/aliases/{alias}",
];

const PARAMS: Readonly<Record<string, string>> = {
  collection: "docs",
  vector_store_id: "docs",
  alias: "docs-current",
  document: "guide.md",
  file_id: "file-5f2c1a5f2c1a5f2c1a5f2c1a",
  job: "job_1",
  batch_id: "job_1",
  version: "1",
  model: "docs",
  name: "articles",
  task: "optimize_indexes",
  flag: "hedging",
};
const nameOf = ({ method, path }: Route) => `${method} ${path}`;
const isNaming = (route: Route) => /\{(collection|vector_store_id|alias|model)\}/.test(route.path) || NAMED_IN_BODY.includes(nameOf(route));

function requestOf(route: Route, collection = "docs"): { readonly path: string; readonly call: Call } {
  const params = { ...PARAMS, collection, vector_store_id: collection, model: collection };
  const path = route.path.replaceAll(/\{(\w+)\}/g, (_whole, name: string) => params[name as keyof typeof params] ?? "");
  const example = BODIES[nameOf(route)] ?? route.description?.request?.content["application/json"]?.example;
  return { path, call: example === undefined ? {} : { body: example } };
}

const described = (server: TestServer) => server.bridge.routes.filter(({ description }) => description !== null);

test("Every route says what it asks of a key, and nothing else does", ({ server }) => {
  assert.equal(Object.keys(ROUTE_NEEDS).sort(), described(server).map(nameOf).sort());
});

test("Without a key only what tells nothing is answered", async ({ server }) => {
  for (const route of described(server)) {
    const { path, call: sent } = requestOf(route);
    const reply = await call(server.url, route.method, path, sent);
    if (needOf(route) === "open") assert.is(reply.status, 200, nameOf(route));
    else {
      assert.is(errorOf(reply, nameOf(route)).code, "unauthorized", nameOf(route));
      assert.is(reply.headers.get("www-authenticate"), "Bearer");
    }
  }
  for (const path of ["/openapi.json", "/docs", "/healthz", "/readyz"]) assert.is((await call(server.url, "GET", path)).status, 200, path);
  assert.is((await call(server.url, "GET", "/nothing")).status, 404);
  assert.is((await call(server.url, "OPTIONS", "/v1/search")).status, 204);
});

for (const scope of SCOPES) {
  for (const pattern of PATTERNS) {
    test(`A key with ${scope} for ${pattern} may do just what its scope and pattern say`, async ({ server, as }) => {
      for (const route of described(server)) {
        await seed(server, as);
        const need = needOf(route);
        const { path, call: sent } = requestOf(route);
        const reply = await call(server.url, route.method, path, { ...sent, headers: as(scope, pattern) });
        const isAllowed =
          need === "open" ||
          (allowsScope(scope, need.scope) && (!need.isForAll || pattern === "*") && !(pattern === "other" && isNaming(route)));
        const name = `${nameOf(route)}: ${reply.status} ${reply.text.slice(0, 200)}`;
        if (isAllowed) assert.ok(reply.status !== 401 && reply.status !== 403, name);
        else assert.is(errorOf(reply, name).code, "forbidden", name);
      }
    });
  }
}

test("A name outside the pattern is refused alike whether there is such a collection or not", async ({ server, as }) => {
  for (const route of described(server)) {
    if (!/\{(collection|vector_store_id|model)\}/.test(route.path)) continue;
    const [known, unknown] = await Promise.all(
      ["secret", "secreu"].map((name) => {
        const { path, call: sent } = requestOf(route, name);
        return call(server.url, route.method, path, { ...sent, headers: as("admin", "docs*") });
      }),
    );
    assert.is(known?.status, 403, nameOf(route));
    assert.equal([known?.status, known?.text.replaceAll("secret", "X")], [unknown?.status, unknown?.text.replaceAll("secreu", "X")]);
  }
});

test("An alias is judged by the collection that it leads to", async ({ server, as }) => {
  const search = (name: string, headers: Record<string, string>) =>
    call(server.url, "POST", `/v1/collections/${name}/search`, { body: { query: "words" }, headers });
  assert.is((await search("current", as("read", "docs*"))).status, 200, "its name is foreign, its collection is not");
  assert.is((await search("docs-hidden", as("read", "docs*"))).status, 403, "its name is not foreign, its collection is");
  const put = (alias: string, collection: string) =>
    call(server.url, "PUT", `/v1/aliases/${alias}`, { body: { collection }, headers: as("write", "docs*") });
  assert.is((await put("docs-x", "secret")).status, 403);
  assert.is((await put("current", "docs")).status, 403, "an alias outside the pattern is not moved");
  assert.is((await put("docs-x", "docs")).status, 201);
});

test("Lists, models and jobs leave out what is foreign", async ({ server, as }) => {
  const read = async (path: string, headers: Record<string, string>) => (await call(server.url, "GET", path, { headers })).body;
  const names = (body: Record<string, unknown>, key: string) => (body.data as Record<string, unknown>[]).map((one) => one[key]);
  const own = as("read", "docs*");
  assert.equal(names(await read("/v1/collections", own), "name"), ["docs"]);
  assert.equal(names(await read("/v1/collections?limit=1", as("read", "*")), "name"), ["docs"]);
  assert.is((await read("/v1/collections?limit=1", own)).next, null);
  assert.equal(names(await read("/v1/collections", as("read", "other")), "name"), []);
  assert.equal(names(await read("/v1/vector_stores", own), "id"), ["docs"]);
  assert.equal(names(await read("/v1/models", own), "id").sort(), ["current", "docs", "static-minilm-256"]);
  assert.not.match(JSON.stringify(await read("/v1/collections/docs", own)), "secret");
  const job = (id: string, headers: Record<string, string>) => call(server.url, "GET", `/v1/jobs/${id}`, { headers });
  assert.is((await job("job_1", own)).status, 200);
  const foreign = await job("job_2", own);
  assert.equal([foreign.status, foreign.text.replace("job_2", "J")], [404, (await job("job_9", own)).text.replace("job_9", "J")]);
  assert.is((await call(server.url, "DELETE", "/v1/jobs/job_2", { headers: as("write", "docs*") })).status, 404);
  assert.is((await job("job_2", as("read", "*"))).status, 200);
});

test("One foreign collection among several, or behind another protocol, is refused", async ({ server, as }) => {
  const post = (path: string, body: unknown) => call(server.url, "POST", path, { body, headers: as("read", "docs*") });
  assert.is((await post("/v1/search", { collections: ["docs"], query: "words" })).status, 200);
  for (const name of ["secret", "secreu", "docs-hidden"]) {
    assert.is((await post("/v1/search", { collections: ["docs", name], query: "words" })).status, 403, name);
    const messages = [{ role: "user", content: "words?" }];
    assert.is((await post("/v1/chat/completions", { model: name, messages })).status, 403, name);
    assert.is((await post(`/v1/vector_stores/${name}/search`, { query: "words" })).status, 403, name);
    const retrieval_setting = { top_k: 3, score_threshold: 0 };
    assert.is((await post("/dify/retrieval", { knowledge_id: name, query: "words", retrieval_setting })).status, 403, name);
  }
});

test("Adopting what others have made in the vector store is for admins of every collection", async ({ server, as }) => {
  const adopt = async (headers: Record<string, string>) =>
    errorOf(await call(server.url, "PUT", "/v1/collections/docs-new", { body: { adopt: { collection: "articles" } }, headers }), "adopt")
      .code;
  assert.equal(
    [await adopt(as("write", "*")), await adopt(as("admin", "docs*")), await adopt(as("admin", "*"))],
    ["forbidden", "forbidden", "conflict"],
    "without Milvus the last one is a conflict",
  );
});

test("MCP's tools see a key's collections alone", async ({ server, as }) => {
  const tool = async (name: string, args: object) => {
    const body = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name, arguments: args } };
    const headers = { ...as("read", "docs*"), accept: "application/json, text/event-stream", "mcp-protocol-version": "2025-06-18" };
    return (await call(server.url, "POST", "/mcp", { body, headers })).text;
  };
  const everywhere = await tool("search", { query: "words" });
  assert.match(everywhere, "docs/guide.md");
  assert.not.match(everywhere, "secret");
  assert.match(await tool("fetch", { id: "docs/guide.md" }), "words of docs");
  for (const refused of [await tool("search", { query: "words", collection: "secret" }), await tool("fetch", { id: "secret/guide.md" })]) {
    assert.match(refused, /does not allow/);
    assert.not.match(refused, "words of secret");
  }
});

test("A message over NATS passes the same check by its header", async ({ server, as }) => {
  const ask = async (collection: string, authorization: string | undefined) => {
    const headers = natsHeaders();
    if (authorization !== undefined) headers.set("Authorization", authorization);
    const body = new TextEncoder().encode(JSON.stringify({ query: "words" }));
    return (await server.bridge.answer(new MessageRequest("POST", `/v1/collections/${collection}/search`, body, headers), "nats")).status;
  };
  const { authorization } = as("read", "docs*");
  assert.equal(
    [await ask("docs", undefined), await ask("docs", "Bearer x"), await ask("docs", authorization), await ask("secret", authorization)],
    [401, 401, 200, 403],
  );
});

test("A key that is revoked ends at the next look, while requests go on", async ({ server, rig, ring }) => {
  const { id, key } = await rig.add("read", "*");
  await ring.check();
  const list = async () => (await call(server.url, "GET", "/v1/collections", { headers: { authorization: `Bearer ${key}` } })).status;
  assert.is(await list(), 200);
  await rig.change(id, { revoked_at: "2026-01-01T00:00:00.000Z" });
  await ring.check();
  assert.is(await list(), 401);
});

test.run();
