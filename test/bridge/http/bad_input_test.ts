import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ErrorCode } from "../../../runtime/errors.ts";
import { startTestServer, TEST_LIMITS } from "./bridge_fixture.ts";
import { type Call, call, callRaw, errorOf } from "./client.ts";

const server = await startTestServer();
const test = suite("Bad input");
const send = (method: string, path: string, options: Call = {}) => call(server.url, method, path, options);

const SEARCH = "/v1/collections/docs/search";
const DOCUMENTS = "/v1/collections/docs/documents";

test.before(async () => {
  await send("PUT", "/v1/collections/docs", { body: { attributes: { lang: "string", year: "number" } } });
});

test.after(() => server.stop());

/** What is sent, and the field that the answer must name. */
type Case = readonly [name: string, body: unknown, param: string | null];

async function refusesAll(method: string, path: string, cases: readonly Case[]): Promise<void> {
  for (const [name, body, param] of cases) {
    const error = errorOf(await send(method, path, { body }), name);
    assert.equal([error.code, error.param], ["invalid_request", param], `${name}: ${error.message}`);
  }
}

const deep = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`;
const vectorOf = (value: unknown) => ({ vector: [1, value] });
const filtered = (filters: unknown) => ({ query: "x", filters });

test("An evaluation names the field at fault", () => {
  const judged = { query: "x", relevant: { a: 1 } };
  return refusesAll("POST", "/v1/collections/docs/evaluations", [
    ["an empty object", {}, "queries"],
    ["no questions", { queries: [] }, "queries"],
    ["a question without judgements", { queries: [{ query: "x" }] }, "queries[0].relevant"],
    ["an empty question", { queries: [judged, { ...judged, query: " " }] }, "queries[1].query"],
    ["nothing relevant", { queries: [{ query: "x", relevant: { a: 0 } }] }, "queries[0].relevant"],
    ["half a grade", { queries: [{ query: "x", relevant: { a: 0.5 } }] }, "queries[0].relevant.a"],
    ["a grade beyond all measure", { queries: [{ query: "x", relevant: { a: 31 } }] }, "queries[0].relevant.a"],
    ["an unknown strategy", { queries: [judged], strategies: ["magic"] }, "strategies[0]"],
    ["no strategy", { queries: [judged], strategies: [] }, "strategies"],
    ["an unknown field", { queries: [judged], top_k: 10 }, "top_k"],
  ]);
});

test("A search names the field at fault", () =>
  refusesAll("POST", SEARCH, [
    ["an empty object", {}, "query"],
    ["a list", [], null],
    ["null", null, null],
    ["a string", '"x"', null],
    ["a number as query", { query: 5 }, "query"],
    ["an empty query", { query: "  " }, "query"],
    ["a NUL in the query", { query: "a\u0000b" }, "query"],
    ["a query that is too long", { query: "x".repeat(100_001) }, "query"],
    ["no hits", { query: "x", top_k: 0 }, "top_k"],
    ["too many hits", { query: "x", top_k: 1_001 }, "top_k"],
    ["half a hit", { query: "x", top_k: 1.5 }, "top_k"],
    ["a text as top_k", { query: "x", top_k: "5" }, "top_k"],
    ["a huge top_k", '{"query":"x","top_k":1e999}', "top_k"],
    ["an integer beyond what is exact", '{"query":"x","min_version":99999999999999999999}', "min_version"],
    ["fewer candidates than hits", { query: "x", top_k: 20, candidate_k: 10 }, "candidate_k"],
    ["an unknown strategy", { query: "x", strategy: "magic" }, "strategy"],
    ["a strategy that needs a question", { vector: [1], strategy: "bm25" }, "query"],
    ["an unknown field", { query: "x", tok_k: 5 }, "tok_k"],
    ["an unknown field called __proto__", '{"query":"x","__proto__":{"top_k":5}}', "__proto__"],
    ["an unknown field with a long name", { query: "x", ["y".repeat(100_000)]: 1 }, "y".repeat(64)],
    ["an unknown fusion", { query: "x", fusion: { type: "max" } }, "fusion.type"],
    ["a fusion without its type", { query: "x", fusion: {} }, "fusion.type"],
    ["an alpha above 1", { query: "x", fusion: { type: "weighted", alpha: 1.1 } }, "fusion.alpha"],
    ["a field of another fusion", { query: "x", fusion: { type: "weighted", k: 60 } }, "fusion.k"],
    ["two weights of 0", { query: "x", fusion: { type: "rrf", weights: { vector: 0, bm25: 0 } } }, "fusion.weights"],
    ["an empty vector", { vector: [] }, "vector"],
    ["a text in the vector", vectorOf("1"), "vector[1]"],
    ["a null in the vector", vectorOf(null), "vector[1]"],
    ["a number no float32 holds", vectorOf(1e300), "vector[1]"],
    ["a vector without direction", { vector: [0, 0] }, "vector"],
    ["a vector of vectors", { vector: [[1]] }, "vector[0]"],
    ["a long vector", { vector: new Array(8_193).fill(1) }, "vector"],
    ["an unknown include", { query: "x", include: ["text", "embedding"] }, "include[1]"],
    ["a threshold above 1", { query: "x", score_threshold: 1.01 }, "score_threshold"],
    ["no time", { query: "x", timeout_ms: 0 }, "timeout_ms"],
    ["endless time", { query: "x", timeout_ms: 1e12 }, "timeout_ms"],
    ["an unknown grouping", { query: "x", group_by: "lang" }, "group_by"],
    ["a text as flag", { query: "x", explain: "yes" }, "explain"],
  ]));

test("A filter names the place at fault, whatever its values try", () =>
  refusesAll("POST", SEARCH, [
    ["a text", filtered("lang = 'en' or 1==1"), "filters"],
    ["a list", filtered([]), "filters"],
    ["an unknown type", filtered({ type: "like", key: "lang", value: "e%" }), "filters.type"],
    ["an unknown key", filtered({ type: "eq", key: "lng", value: "en" }), "filters.key"],
    ["a key that is code", filtered({ type: "eq", key: "lang' or 1==1 --", value: "en" }), "filters.key"],
    ["a key of the prototype", '{"query":"x","filters":{"type":"eq","key":"constructor","value":"en"}}', "filters.key"],
    [
      "a key deep inside",
      filtered({ type: "and", filters: [{ type: "or", filters: [{ type: "eq", key: 1, value: 1 }] }] }),
      "filters.filters[0].filters[0].key",
    ],
    ["a value of another type", filtered({ type: "eq", key: "year", value: "2024" }), "filters.value"],
    ["a value that is an object", filtered({ type: "eq", key: "lang", value: { $ne: null } }), "filters.value"],
    ["a list for eq", filtered({ type: "eq", key: "lang", value: ["en"] }), "filters.value"],
    ["no list for in", filtered({ type: "in", key: "lang", value: "en" }), "filters.value"],
    ["no filters in and", filtered({ type: "and", filters: [] }), "filters.filters"],
    ["an unknown field", filtered({ type: "eq", key: "lang", value: "en", or: "1==1" }), "filters.or"],
    ["a huge number", '{"query":"x","filters":{"type":"eq","key":"year","value":1e999}}', "filters.value"],
  ]));

test("Hostile filter values pass as values", async () => {
  for (const value of [`'`, `"`, `\\`, `' or 1==1 --`, `"; drop table x`, "\u0000", "%", "\ud800"]) {
    const reply = await send("POST", SEARCH, { body: filtered({ type: "eq", key: "lang", value }) });
    assert.is(reply.status, 200, JSON.stringify(value));
  }
});

test("A filter nested beyond its bound is refused", async () => {
  let filter: unknown = { type: "eq", key: "lang", value: "en" };
  for (let level = 0; level < 10; level++) filter = { type: "and", filters: [filter] };
  assert.match(errorOf(await send("POST", SEARCH, { body: filtered(filter) }), "deep filter").param ?? "", /^filters(\.filters\[0\])+$/);
});

const one = (document: unknown) => ({ documents: [document] });

test("Documents name the one and the field at fault", () =>
  refusesAll("POST", DOCUMENTS, [
    ["no list", {}, "documents"],
    ["an empty list", { documents: [] }, "documents"],
    ["an object as list", { documents: {} }, "documents"],
    ["a text as document", one("x"), "documents[0]"],
    ["no id", one({ text: "x" }), "documents[0].id"],
    ["an empty id", one({ id: "", text: "x" }), "documents[0].id"],
    ["a dot as id", one({ id: "..", text: "x" }), "documents[0].id"],
    ["a NUL in the id", one({ id: "a\u0000", text: "x" }), "documents[0].id"],
    ["half a character in the id", '{"documents":[{"id":"\\ud800","text":"x"}]}', "documents[0].id"],
    ["a long id", one({ id: "x".repeat(513), text: "x" }), "documents[0].id"],
    ["no text", one({ id: "a" }), "documents[0].text"],
    ["a number as text", one({ id: "a", text: 5 }), "documents[0].text"],
    ["a NUL in the text", one({ id: "a", text: "\u0000" }), "documents[0].text"],
    ["an unknown field", one({ id: "a", text: "x", body: "y" }), "documents[0].body"],
    ["an unknown field beside the list", { documents: [{ id: "a", text: "x" }], upsert: true }, "upsert"],
    ["an attribute key with a dot", one({ id: "a", text: "x", attributes: { "a.b": 1 } }), "documents[0].attributes.a.b"],
    [
      "an attribute key called __proto__",
      '{"documents":[{"id":"a","text":"x","attributes":{"__proto__":1}}]}',
      "documents[0].attributes.__proto__",
    ],
    ["an object as attribute", one({ id: "a", text: "x", attributes: { lang: {} } }), "documents[0].attributes.lang"],
    ["null as attribute", one({ id: "a", text: "x", attributes: { lang: null } }), "documents[0].attributes.lang"],
    ["a huge number as attribute", '{"documents":[{"id":"a","text":"x","attributes":{"year":-1e999}}]}', "documents[0].attributes.year"],
    ["a text in the vector", one({ id: "a", text: "x", vector: ["1"] }), "documents[0].vector[0]"],
    ["a number as principal", one({ id: "a", text: "x", principals: [1] }), "documents[0].principals[0]"],
    ["an unknown format", one({ id: "a", text: "x", format: "docx" }), "documents[0].format"],
    [
      "an id twice",
      {
        documents: [
          { id: "a", text: "x" },
          { id: "a", text: "y" },
        ],
      },
      "documents[1].id",
    ],
    ["the second of two", { documents: [{ id: "a", text: "x" }, { id: "b" }] }, "documents[1].text"],
    ["too many", { documents: Array.from({ length: TEST_LIMITS.maxDocuments + 1 }, (_, id) => ({ id: `${id}`, text: "" })) }, "documents"],
  ]));

test("JSON lines name the line and the field at fault", async () => {
  const lines = (body: unknown) => send("POST", DOCUMENTS, { body, headers: { "content-type": "application/x-ndjson" } });
  assert.is(errorOf(await lines('{"id":"a","text":"x"}\n{"id":"b"}'), "field").param, "documents[1].text");
  assert.is(errorOf(await lines('{"id":"a","text":"x"}\n{"id":'), "cut").param, "documents[1]");
  assert.is(errorOf(await lines(new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d])), "no UTF-8").param, "documents[0]");
  assert.is(errorOf(await lines(" \n \n"), "blank").code, "invalid_request");
});

test("A form names the part at fault", async () => {
  const form = (parts: Record<string, string | Blob>, fileName = "a.txt") => {
    const body = new FormData();
    for (const [name, value] of Object.entries(parts))
      typeof value === "string" ? body.append(name, value) : body.append(name, value, fileName);
    return send("POST", DOCUMENTS, { body });
  };
  const file = new Blob(["x"]);
  assert.is(errorOf(await form({ attributes: "{}" }), "no file").param, "files");
  assert.is(errorOf(await form({ attributes: "{", files: file }), "no JSON").param, "attributes");
  assert.is(errorOf(await form({ attributes: '{"a b":1}', files: file }), "key").param, "attributes.a b");
  assert.is(errorOf(await form({ language: "en", files: file }), "unknown").param, "language");
  assert.is(errorOf(await form({ files: file }, ".."), "file name").param, "files[0].filename");
  assert.is(errorOf(await form({ id: "..", files: file }), "id").param, "id");
  assert.is(errorOf(await form({ id: "a", files: file, more: file }), "one id for two files").param, "id");
  const cut = '--x\r\ncontent-disposition: form-data; name="files"; filename="a"\r\n\r\nno end';
  for (const type of ["multipart/form-data", "multipart/form-data; boundary=x"]) {
    assert.is(errorOf(await send("POST", DOCUMENTS, { body: cut, headers: { "content-type": type } }), type).code, "invalid_request");
  }
});

test("Settings of a collection name the one at fault", () =>
  refusesAll("PUT", "/v1/collections/other", [
    ["an unknown setting", { shards: 2 }, "shards"],
    ["a language nobody analyses", { language: "klingon" }, "language"],
    ["a model that the node lacks", { embedding: "openai:other" }, "embedding"],
    ["a language in capitals", { language: "English" }, "language"],
    ["a path as model", { embedding: "../../x y" }, "embedding"],
    ["too small chunks", { chunking: { max_tokens: 1 } }, "chunking.max_tokens"],
    ["an overlap as long as the chunk", { chunking: { max_tokens: 100, overlap_tokens: 100 } }, "chunking.overlap_tokens"],
    ["parents below their chunks", { chunking: { max_tokens: 100, parent_tokens: 50 } }, "chunking.parent_tokens"],
    ["an unknown attribute type", { attributes: { a: "date" } }, "attributes.a"],
    ["an attribute key with a quote", { attributes: { "a'": "string" } }, "attributes.a'"],
    ["too many replicas", { replicas: 1_000 }, "replicas"],
    ["no time to live", { ttl_seconds: 0 }, "ttl_seconds"],
    ["a text as flag", { pinned: "true" }, "pinned"],
    ["an unknown residence", { resident: "sometimes" }, "resident"],
  ]));

test("An alias names the field at fault", () =>
  refusesAll("PUT", "/v1/aliases/current", [
    ["no collection", {}, "collection"],
    ["a path as collection", { collection: "../docs" }, "collection"],
    ["version 0", { collection: "docs", version: 0 }, "version"],
    ["an unknown field", { collection: "docs", weight: 1 }, "weight"],
  ]));

test("Deleting by filter needs a filter", () =>
  refusesAll("DELETE", DOCUMENTS, [
    ["nothing", {}, "filters"],
    ["null", { filters: null }, "filters"],
    ["an unknown key", { filters: { type: "eq", key: "x", value: 1 } }, "filters.key"],
  ]));

test("A body that is no JSON is refused on every route that takes one", async () => {
  const routes = [
    ["PUT", "/v1/collections/docs"],
    ["POST", DOCUMENTS],
    ["DELETE", DOCUMENTS],
    ["POST", SEARCH],
    ["PUT", "/v1/aliases/a"],
  ] as const;
  const bodies: readonly (readonly [name: string, body: string | Uint8Array])[] = [
    ["cut", '{"query":'],
    ["no JSON", "query=x"],
    ["a byte that is no UTF-8", new Uint8Array([0x7b, 0x22, 0xc3, 0x28, 0x22, 0x3a, 0x31, 0x7d])],
    ["an overlong NUL", new Uint8Array([0x22, 0xc0, 0x80, 0x22])],
    ["nested 100,000 deep", deep(100_000)],
    ["nested 33 deep in a field", `{"query":${deep(33)}}`],
    ["a NUL between", "{\u0000}"],
  ];
  for (const [method, path] of routes) {
    for (const [name, body] of bodies) {
      assert.is(errorOf(await send(method, path, { body }), `${method} ${path}: ${name}`).code, "invalid_request");
    }
  }
});

test("Another content type is refused, and the message says which are taken", async () => {
  for (const [method, path] of [
    ["POST", SEARCH],
    ["POST", DOCUMENTS],
    ["PUT", "/v1/collections/docs"],
  ] as const) {
    for (const type of ["text/plain", "application/json-seq", "a".repeat(5_000)]) {
      const error = errorOf(await send(method, path, { body: "{}", headers: { "content-type": type } }), `${path}: ${type.slice(0, 40)}`);
      assert.equal([error.code, error.param], ["unsupported_media_type", "Content-Type"]);
      assert.match(error.message, "application/json");
    }
  }
});

test("A type that a command line left unsaid is JSON, but not from a web page", async () => {
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  assert.is((await send("PUT", "/v1/collections/docs", { body: "{}", headers })).status < 300, true);
  const fromPage = await send("PUT", "/v1/collections/docs", { body: "{}", headers: { ...headers, origin: "https://app.example.com" } });
  assert.is(errorOf(fromPage, "from a page that may change things").code, "unsupported_media_type");
});

test("A body beyond its route's bound is refused, declared or not", async () => {
  const big = "x".repeat(TEST_LIMITS.maxBodyBytes + 1);
  assert.is(errorOf(await send("POST", SEARCH, { body: big }), "declared").code, "payload_too_large");
  const stream = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(65_536).fill(0x20)),
  });
  const options: RequestInit & { duplex: "half" } = {
    method: "POST",
    body: stream,
    duplex: "half",
    headers: { "content-type": "application/json" },
  };
  const status = await fetch(server.url + SEARCH, options).then(
    ({ status }) => status,
    () => 413, // The client may notice the closed connection before the answer.
  );
  assert.is(status, 413);
});

const NAMES = ["a.b", "..", ".", "a/b", "a b", "a\u0000b", "ä", "x".repeat(65), "a'b", "*", ">", "$SYS", "%"];

test("A name that is no subject token is refused wherever it stands", async () => {
  const routes = [
    ["PUT", (name: string) => `/v1/collections/${name}`],
    ["GET", (name: string) => `/v1/collections/${name}`],
    ["DELETE", (name: string) => `/v1/collections/${name}`],
    ["POST", (name: string) => `/v1/collections/${name}/search`],
    ["GET", (name: string) => `/v1/collections/${name}/documents`],
    ["POST", (name: string) => `/v1/collections/${name}/warm`],
    ["PUT", (name: string) => `/v1/aliases/${name}`],
    ["GET", (name: string) => `/v1/jobs/${name}`],
  ] as const;
  const allowed: readonly ErrorCode[] = ["invalid_request", "not_found", "method_not_allowed"];
  for (const [method, pathOf] of routes) {
    for (const name of NAMES) {
      const path = pathOf(encodeURIComponent(name));
      const reply = await callRaw(server.port, method, path);
      assert.ok(allowed.includes(errorOf(reply, `${method} ${path}`).code), `${method} ${path}: ${reply.text}`);
    }
  }
});

test("Paths that try to leave their folder, and broken escapes, find nothing", async () => {
  for (const path of [
    "/docs/../../package.json",
    "/docs/..%2f..%2fpackage.json",
    "/page/../server.ts",
    "//etc/passwd",
    "/%2e%2e/x",
    "/v1/collections/%zz",
    "/v1/collections/%ff",
  ]) {
    const error = errorOf(await callRaw(server.port, "GET", path), path);
    assert.ok(error.code === "not_found" || error.code === "invalid_request", `${path}: ${error.code}`);
  }
});

test("Query parameters that are unknown or out of bounds are refused by name", async () => {
  const cases = [
    ["/v1/collections?limit=0", "limit"],
    ["/v1/collections?limit=1001", "limit"],
    ["/v1/collections?limit=1e3", "limit"],
    ["/v1/collections?limit=-1", "limit"],
    ["/v1/collections?after=", "after"],
    ["/v1/collections?after=%00", "after"],
    [`${DOCUMENTS}?page=2`, "page"],
    ["/v1/collections/docs?verbose=1", "verbose"],
  ] as const;
  for (const [path, param] of cases) assert.is(errorOf(await send("GET", path), path).param, param);
});

test("A deadline that is no number of milliseconds is refused", async () => {
  for (const value of ["0", "-1", "1.5", "soon", "9".repeat(30)]) {
    const error = errorOf(await send("POST", SEARCH, { body: { query: "x" }, headers: { "x-request-timeout-ms": value } }), value);
    assert.is(error.param, "X-Request-Timeout-Ms");
  }
});

test("A method that a path does not take is answered with those it takes", async () => {
  const reply = await send("PATCH", "/v1/collections/docs");
  assert.is(errorOf(reply, "PATCH").code, "method_not_allowed");
  assert.is(reply.headers.get("allow"), "PUT, GET, DELETE, HEAD, OPTIONS");
});

test.run();
