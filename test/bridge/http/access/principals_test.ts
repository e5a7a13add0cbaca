/** On whose behalf a request asks, and whose names it uses. */
import { connect } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { askedPrincipals, delegated } from "../../../../bridge/http/access/asked_principals.ts";
import type { FileUploads } from "../../../../bridge/http/collaborators.ts";
import type { Caller } from "../../../../bridge/keys/grant.ts";
import type { KeyRecord } from "../../../../bridge/keys/key_file.ts";
import { KeyRing } from "../../../../bridge/keys/key_ring.ts";
import { systemClock } from "../../../../runtime/clock.ts";
import { createLogger } from "../../../../telemetry/logs.ts";
import { type KeyRig, keyRig } from "../../keys/key_rig.ts";
import { startTestServer, type TestServer } from "../bridge_fixture.ts";
import { call, errorOf } from "../client.ts";

interface State {
  rig: KeyRig;
  ring: KeyRing;
  server: TestServer;
  headers: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

const KEYS: readonly (readonly [string, "read" | "write" | "admin", string, Partial<KeyRecord>])[] = [
  ["admin", "admin", "*", {}],
  ["ann", "read", "*", { principals: ["user:ann"] }],
  ["writer", "write", "*", { principals: ["user:bob"] }],
  ["service", "write", "*", { delegate: true }],
  ["service of staff", "read", "*", { delegate: true, principals: ["group:staff", "user:ann"] }],
  ["acme", "admin", "*", { tenant: "acme" }],
  ["beta", "admin", "*", { tenant: "beta" }],
  ["acme docs", "write", "docs*", { tenant: "acme" }],
];

const test = suite<State>("principals and tenants");

test.before(async (state) => {
  state.rig = await keyRig();
  const made = [];
  for (const [name, scope, collections, changes] of KEYS) {
    const { key } = await state.rig.add(scope, collections, changes);
    made.push([name, { authorization: `Bearer ${key}` }] as const);
  }
  state.headers = Object.fromEntries(made);
  const logger = createLogger({ level: "silent", node: "n" });
  state.ring = await KeyRing.open({ path: state.rig.path, dataDir: state.rig.folder, checkMs: 60_000, clock: systemClock(), logger });
  state.server = await startTestServer({ keys: state.ring });
});

test.after(async ({ server, ring, rig }) => {
  await server.stop();
  await ring.close();
  await rig.remove();
});

const DOCUMENTS = [
  { id: "open", text: "a" },
  { id: "ann", text: "b", principals: ["user:ann"], attributes: { year: 1 } },
  { id: "bob", text: "c", principals: ["user:bob"], attributes: { year: 1 } },
];

test.before.each(async ({ server, headers }) => {
  server.node.collections.clear();
  server.node.aliasRecords.clear();
  server.node.jobs.clear();
  server.node.stored.clear();
  const { admin = {} } = headers;
  for (const name of ["notes", "acme--docs", "beta--docs"]) {
    await call(server.url, "PUT", `/v1/collections/${name}`, { headers: admin, body: { attributes: { year: "number" } } });
    await call(server.url, "POST", `/v1/collections/${name}/documents`, { headers: admin, body: { documents: DOCUMENTS } });
  }
});

/** Ids of the documents that are listed, or the error's code. */
async function listed(
  server: TestServer,
  headers: Readonly<Record<string, string>>,
  collection = "notes",
): Promise<readonly string[] | string> {
  const reply = await call(server.url, "GET", `/v1/collections/${collection}/documents`, { headers });
  const { data } = reply.body as { readonly data?: readonly { readonly id: string }[] };
  return data?.map(({ id }) => id) ?? errorOf(reply, "listDocuments").code;
}

test("A key that may delegate asks for whom it says, one that may not is refused, and a header is never ignored", async ({
  server,
  headers,
}) => {
  const asking = (key: string, principals?: string) => ({
    ...headers[key],
    ...(principals === undefined ? {} : { "x-kennel-principals": principals }),
  });
  const cases: readonly (readonly [string, string | undefined, readonly string[] | string])[] = [
    ["admin", undefined, ["ann", "bob", "open"]],
    ["ann", undefined, ["ann", "open"]],
    ["service", undefined, ["open"]],
    ["service", "", ["open"]],
    ["service", "user:ann", ["ann", "open"]],
    ["service", " user:bob , user%3Aann ,", ["ann", "bob", "open"]],
    ["service", "user:ann%", "invalid_request"],
    ["service", "a%00b", "invalid_request"],
    ["service", Array.from({ length: 257 }, (_, at) => `p${at}`).join(","), "invalid_request"],
    ["service", "p".repeat(257), "invalid_request"],
    ["service of staff", undefined, ["ann", "open"]],
    ["service of staff", "group:staff", ["open"]],
    ["service of staff", "user:bob", "forbidden"],
    ["ann", "user:ann", "forbidden"],
    ["ann", "", "forbidden"],
    ["admin", "user:ann", "forbidden"],
  ];
  for (const [key, principals, expected] of cases)
    assert.equal(await listed(server, asking(key, principals)), expected, `${key} for ${principals?.slice(0, 40)}`);
});

test("The header sent twice is refused: what a client has put beside a service's own adds nothing to it", async ({ server, headers }) => {
  const { authorization = "" } = headers.service ?? {};
  const answer = await new Promise<string>((resolve, reject) => {
    const socket = connect(server.port, "127.0.0.1", () =>
      socket.write(
        `GET /v1/collections/notes/documents HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${authorization}\r\nX-Kennel-Principals: user:ann\r\nx-kennel-principals: user:bob\r\nConnection: close\r\n\r\n`,
      ),
    );
    let received = "";
    socket.setEncoding("utf8").on("data", (piece: string) => {
      received += piece;
    });
    socket.on("close", () => resolve(received)).on("error", reject);
  });
  assert.match(answer, /^HTTP\/1\.1 400/);
  assert.match(answer, "X-Kennel-Principals is sent more than once");
});

test("A judged comparison is asked for who began the reindex", async ({ server, headers }) => {
  const plans: (readonly string[] | undefined)[] = [];
  const { reindex } = server.node;
  server.node.reindex = async (collection, build, _signal, plan) => {
    plans.push(plan?.compare?.principals);
    return reindex.call(server.node, collection, build);
  };
  const compare = { queries: [{ query: "what everyone earns", relevant: { ann: 1 } }] };
  try {
    for (const as of [headers.writer, headers.service, { ...headers.service, "x-kennel-principals": "user:ann" }, headers.admin]) {
      const reply = await call(server.url, "POST", "/v1/collections/notes/reindex", {
        headers: as ?? {},
        body: { language: "german", compare },
      });
      assert.is(reply.status, 202, JSON.stringify(reply.body));
    }
  } finally {
    server.node.reindex = reindex;
  }
  assert.equal(plans, [["user:bob"], [], ["user:ann"], undefined]);
});

test("Where callers need no key, everyone sees everything and the header alone narrows it", async () => {
  const server = await startTestServer();
  try {
    await call(server.url, "PUT", "/v1/collections/notes", {});
    await call(server.url, "POST", "/v1/collections/notes/documents", { body: { documents: DOCUMENTS } });
    assert.equal(await listed(server, {}), ["ann", "bob", "open"]);
    assert.equal(await listed(server, { "x-kennel-principals": "user:ann" }), ["ann", "open"]);
    assert.equal(await listed(server, { "x-kennel-principals": "" }), ["open"]);
    assert.equal(await listed(server, {}), ["ann", "bob", "open"]);
  } finally {
    await server.stop();
  }
});

test("What a caller does not see it does not delete, by id, by filter or as a file", async ({ server, headers }) => {
  const { writer = {}, admin = {} } = headers;
  const gone = async (path: string) => (await call(server.url, "DELETE", path, { headers: writer })).status;
  assert.is(await gone("/v1/collections/notes/documents/ann"), 404);
  assert.is(await gone("/v1/vector_stores/notes/files/ann"), 404);
  const filters = { type: "gte", key: "year", value: 0 };
  const reply = await call(server.url, "DELETE", "/v1/collections/notes/documents", { headers: writer, body: { filters } });
  assert.equal(reply.body, { object: "documents.deleted", deleted: 1 });
  assert.equal(await listed(server, admin), ["ann", "open"]);
});

test("What a caller does not see it does not replace, and nothing of such a call is taken", async ({ server, headers }) => {
  const send = async (as: Readonly<Record<string, string>>, ids: readonly string[], path = "/v1/collections/notes/documents") =>
    call(server.url, "POST", path, { headers: as, body: { documents: ids.map((id) => ({ id, text: "z" })) } });
  const { writer = {}, admin = {}, service = {} } = headers;
  const forAnn = { ...service, "x-kennel-principals": "user:ann" };
  for (const [as, ids, place] of [
    [writer, ["new", "ann"], 1],
    [forAnn, ["bob"], 0],
    [{ ...service, "x-kennel-principals": "" }, ["ann"], 0],
  ] as const) {
    const refused = await send(as, ids);
    const { code, param, message } = errorOf(refused, "addDocuments");
    assert.equal([refused.status, code, param], [403, "forbidden", `documents[${place}].id`]);
    assert.is(message, `documents[${place}].id is taken by a document that is not for who asks; allowed: another id`);
    assert.equal(await listed(server, admin), ["ann", "bob", "open"]);
  }
  assert.is((await send(forAnn, ["ann"])).status, 202);
  assert.is((await send(writer, ["open", "bob", "new"])).status, 202);
  await send(admin, ["ann", "bob"]); // everyone's now
  assert.is((await send(service, ["ann", "bob"])).status, 202, "a key without principals brings documents for others");
});

test("A collection that has documents is not ended by a key for some principals, at once or by its age", async ({ server, headers }) => {
  const { writer = {}, service = {} } = headers;
  const path = "/v1/collections/notes";
  const shorter = { attributes: { year: "number" }, ttl_seconds: 60 };
  for (const [method, route, param, body] of [
    ["DELETE", path, "collection", undefined],
    ["DELETE", "/v1/vector_stores/notes", "collection", undefined],
    ["PUT", path, "ttl_seconds", shorter],
  ] as const) {
    const refused = await call(server.url, method, route, { headers: writer, body });
    assert.equal([refused.status, (refused.body as { error: { param: string } }).error.param], [403, param], `${method} ${route}`);
  }
  assert.is((await call(server.url, "PUT", path, { headers: service, body: shorter })).status, 200);
  assert.is((await call(server.url, "PUT", path, { headers: writer, body: { ...shorter, ttl_seconds: 120 } })).status, 200);
  assert.is((await call(server.url, "PUT", "/v1/collections/mine", { headers: writer })).status, 201);
  assert.is((await call(server.url, "DELETE", "/v1/collections/mine", { headers: writer })).status, 200);
  assert.is((await call(server.url, "DELETE", path, { headers: service })).status, 200);
});

test("acl required hides what is nobody's from all but who sees all, and only they take it back", async ({ server, headers }) => {
  const { writer = {}, admin = {} } = headers;
  const path = "/v1/collections/notes";
  assert.is((await call(server.url, "PUT", path, { headers: writer, body: { acl: "required" } })).status, 200);
  const { body } = await call(server.url, "GET", path, { headers: writer });
  assert.is((body as { settings: { acl?: string } }).settings.acl, "required");
  assert.equal(await listed(server, writer), ["bob"]);
  assert.equal(await listed(server, admin), ["ann", "bob", "open"]);
  for (const settings of [{}, { acl: "optional" }]) {
    const refused = await call(server.url, "PUT", path, { headers: writer, body: settings });
    assert.equal([refused.status, errorOf(refused, "putCollection").param], [403, "acl"]);
  }
  assert.is((await call(server.url, "PUT", path, { headers: admin, body: {} })).status, 200);
  assert.equal(await listed(server, writer), ["bob", "open"]);
});

test("A tenant says and is told its own names, makes what no other tenant sees, and cannot leave its own", async ({ server, headers }) => {
  const { acme = {}, beta = {}, admin = {} } = headers;
  const names = async (as: Readonly<Record<string, string>>, path = "/v1/collections") => {
    const { body } = await call(server.url, "GET", path, { headers: as });
    return (body as { data: readonly { id?: string; name?: string }[] }).data.map(({ name, id }) => name ?? id);
  };
  assert.is((await call(server.url, "PUT", "/v1/collections/plans", { headers: acme })).status, 201);
  assert.is((await call(server.url, "PUT", "/v1/aliases/now", { headers: acme, body: { collection: "plans" } })).status, 201);
  for (const path of ["/v1/collections", "/v1/collections?limit=1&after=docs", "/v1/vector_stores"])
    assert.equal((await names(acme, path)).filter((name) => name !== "docs"), ["plans"], path); // biome-ignore format: one claim
  assert.equal([...(await names(acme, "/v1/models"))].sort(), ["docs", "now", "plans", "static-minilm-256"]);
  assert.equal(await names(beta), ["docs"]);
  assert.equal(await names(admin), ["acme--docs", "acme--plans", "beta--docs", "notes"]);
  const shown = await call(server.url, "GET", "/v1/collections/now", { headers: acme });
  assert.equal([(shown.body as { name: string }).name, (shown.body as { aliases: string[] }).aliases], ["plans", ["now"]]);
  for (const name of ["notes", "acme--plans", "beta--docs", "plans--"])
    assert.is((await call(server.url, "GET", `/v1/collections/${name}`, { headers: acme })).status, 404, name);
  assert.is((await call(server.url, "DELETE", "/v1/collections/plans", { headers: beta })).status, 404);
  const job = await call(server.url, "POST", "/v1/collections/docs/documents", { headers: acme, body: { documents: DOCUMENTS } });
  const { id, collection } = job.body as { id: string; collection: string };
  assert.is(collection, "docs");
  assert.is((await call(server.url, "GET", `/v1/jobs/${id}`, { headers: acme })).status, 200);
  assert.is((await call(server.url, "GET", `/v1/jobs/${id}`, { headers: beta })).status, 404);
  const across = { collections: ["docs", "plans"], query: "a" };
  const found = await call(server.url, "POST", "/v1/search", { headers: acme, body: across });
  assert.equal((found.body as { collections: { collection: string }[] }).collections.map((part) => part.collection), ["docs", "plans"]); // biome-ignore format: one claim
  const long = await call(server.url, "PUT", `/v1/collections/${"n".repeat(59)}`, { headers: acme });
  assert.equal(
    [long.status, errorOf(long, "putCollection").message],
    [400, "A name has 59 characters; allowed: at most 58 for this tenant"],
  );
  for (const [method, path] of [
    ["GET", "/v1/status"],
    ["GET", "/metrics"],
    ["PUT", "/v1/mode"],
    ["GET", "/v1/vector_store/collections"],
  ] as const)
    assert.is((await call(server.url, method, path, { headers: acme })).status, 403, path);
});

test("A tenant answers for the room of its files with all of its keys, who is none with each key, and an operator does not", async () => {
  const owners: (string | null | undefined)[] = [];
  const known = { id: `file-${"0".repeat(24)}`, bytes: 1, createdAtMs: 0, audience: "*", owner: null };
  const rig = await keyRig();
  const keys = [
    await rig.add("write", "*", { tenant: "acme" }),
    await rig.add("admin", "docs*", { tenant: "acme" }),
    await rig.add("write", "*"),
    await rig.add("write", "*"),
    await rig.add("admin", "*"),
  ];
  const parts = {
    path: rig.path,
    dataDir: rig.folder,
    checkMs: 60_000,
    clock: systemClock(),
    logger: createLogger({ level: "silent", node: "n" }),
  };
  const ring = await KeyRing.open(parts);
  const uploads: FileUploads = {
    list: () => [],
    get: () => null,
    content: async () => null,
    put: async (file) => {
      owners.push(file.owner);
      return { ...known, ...file };
    },
    delete: async () => false,
  };
  const server = await startTestServer({ keys: ring, uploads });
  try {
    for (const { key } of keys) {
      const form = new FormData();
      form.append("purpose", "assistants");
      form.append("file", new File(["a"], "a.txt", { type: "text/plain" }));
      const headers = { authorization: `Bearer ${key}` };
      const reply = await fetch(`${server.url}/v1/files`, { method: "POST", headers, body: form });
      assert.is(reply.status, 200, await reply.text());
    }
    assert.equal(owners, ["tenant acme", "tenant acme", `key ${keys[2]?.id}`, `key ${keys[3]?.id}`, null]);
  } finally {
    await server.stop();
    await ring.close();
    await rig.remove();
  }
});

test("A tenant's pattern speaks of its own names", async ({ server, headers }) => {
  const own = headers["acme docs"] ?? {};
  assert.is((await call(server.url, "PUT", "/v1/collections/docs2", { headers: own })).status, 201);
  assert.is((await call(server.url, "PUT", "/v1/collections/plans", { headers: own })).status, 403);
  assert.ok(server.node.collections.has("acme--docs2"));
});

test("What a header asks for is each principal once, in an order that does not depend on it", () => {
  const read = (value: string | null) => askedPrincipals({ get: () => value, has: () => value !== null, isRepeated: () => false });
  assert.is(read(null), null);
  assert.equal(read("b,a,b"), ["a", "b"]);
  assert.equal(read("gr%C3%BC%C3%9Fe%2C"), ["grüße,"]);
  const key = { keyId: "k", scope: "admin", collections: "*", limits: null, tenant: null, owner: null } as const;
  const caller: Caller = { ...key, principals: null, replacesUnseen: true, mayDelegate: true };
  const { principals, replacesUnseen } = delegated(caller, ["x"]);
  assert.equal([principals, replacesUnseen], [["x"], false], "on behalf of others an administrator sees, and replaces, no more than they");
});

test.run();
