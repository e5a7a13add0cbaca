import { suite } from "uvu";
import * as assert from "uvu/assert";
import { encoded, startTestServer } from "./bridge_fixture.ts";
import { type Call, call, errorOf } from "./client.ts";

const server = await startTestServer();
const test = suite("Routes over a socket");
const { node } = server;
const send = (method: string, path: string, options: Call = {}) => call(server.url, method, path, options);

test.before.each(async () => {
  for (const kept of [node.collections, node.aliasRecords, node.stored, node.jobs]) kept.clear();
  for (const kept of [node.warmed, node.searches, node.observed]) kept.length = 0;
  await send("PUT", "/v1/collections/docs", { body: { attributes: { lang: "string", year: "number" } } });
});

test.after(() => server.stop());

test("A collection is made with every default filled in", async () => {
  const made = await send("PUT", "/v1/collections/notes");
  assert.is(made.status, 201);
  assert.is(made.headers.get("location"), "/v1/collections/notes");
  const settings = made.body.settings as Record<string, unknown>;
  assert.is(settings.embedding, "static-minilm-256");
  assert.equal(settings.fusion, { type: "weighted", alpha: 0.3 });
  assert.equal(settings.chunking, { max_tokens: 200, overlap_tokens: 30, parent_tokens: 800 });
});

test("A collection that exists is answered with 200", async () => {
  assert.is((await send("PUT", "/v1/collections/docs", { body: { pinned: true } })).status, 200);
  assert.is(node.collections.get("docs")?.settings.pinned, true);
});

test("A setting that needs a new build is a conflict that names it", async () => {
  const error = errorOf(await send("PUT", "/v1/collections/docs", { body: { embedding: "other" } }), "embedding");
  assert.equal([error.code, error.param], ["conflict", "embedding"]);
});

test("Collections are listed in pages by name, with their aliases", async () => {
  await send("PUT", "/v1/collections/apes");
  await send("PUT", "/v1/aliases/current", { body: { collection: "docs" } });
  const first = await send("GET", "/v1/collections?limit=1");
  assert.equal([(first.body.data as { name: string }[])[0]?.name, first.body.next], ["apes", "apes"]);
  const second = await send("GET", `/v1/collections?limit=1&after=${first.body.next}`);
  const [docs] = second.body.data as { name: string; aliases: string[] }[];
  assert.equal([docs?.name, docs?.aliases, second.body.next], ["docs", ["current"], null]);
});

test("A collection is found by its alias, and deleted by its name", async () => {
  await send("PUT", "/v1/aliases/current", { body: { collection: "docs" } });
  assert.is((await send("GET", "/v1/collections/current")).body.name, "docs");
  assert.is((await send("DELETE", "/v1/collections/docs")).body.deleted, true);
  assert.is(errorOf(await send("DELETE", "/v1/collections/docs"), "second delete").code, "not_found");
});

test("Warming and refreshing reach the collection's retriever", async () => {
  assert.is((await send("POST", "/v1/collections/docs/warm")).body.object, "collection.warmed");
  assert.is((await send("POST", "/v1/collections/docs/refresh")).body.object, "collection.refreshed");
  assert.equal(node.warmed, ["docs", "docs again"]);
});

test("Documents in JSON are handed over whole and acknowledged with a job", async () => {
  const document = {
    id: "a/b.md",
    title: "T",
    text: "x",
    url: "https://e.org",
    attributes: { lang: "en" },
    principals: ["p"],
    vector: [3, 4],
  };
  const reply = await send("POST", "/v1/collections/docs/documents", { body: { documents: [document] } });
  assert.is(reply.status, 202);
  assert.is(reply.headers.get("location"), `/v1/jobs/${reply.body.id}`);
  const stored = node.stored.get("docs")?.get("a/b.md");
  assert.equal([stored?.title, stored?.url, stored?.attributes, stored?.principals], ["T", "https://e.org", { lang: "en" }, ["p"]]);
  assert.equal(
    [...(stored?.vector ?? [])].map((value) => Math.round(value * 1e6) / 1e6),
    [0.6, 0.8],
  );
  assert.equal(stored?.source, { kind: "text", text: "x", format: "text" });
});

test("Documents as JSON lines are taken, blank lines and a missing last newline included", async () => {
  const body = '{"id":"one","text":"a"}\n\n  \n{"id":"two","text":"b"}';
  const reply = await send("POST", "/v1/collections/docs/documents", { body, headers: { "content-type": "application/x-ndjson" } });
  assert.is(reply.status, 202);
  assert.equal([...(node.stored.get("docs")?.keys() ?? [])], ["one", "two"]);
});

test("Files become documents under their names, with the form's attributes", async () => {
  const form = new FormData();
  form.append("attributes", '{"lang":"en"}');
  form.append("files", new Blob(["# One"], { type: "text/markdown" }), "one.md");
  form.append("files", new Blob([new Uint8Array([0, 255, 10, 13])], { type: "application/pdf" }), "two.pdf");
  assert.is((await send("POST", "/v1/collections/docs/documents", { body: form })).status, 202);
  const two = node.stored.get("docs")?.get("two.pdf");
  assert.equal(two?.attributes, { lang: "en" });
  if (two?.source.kind !== "file") return assert.unreachable("two.pdf is no file");
  assert.equal([two.source.mediaType, [...two.source.bytes]], ["application/pdf", [0, 255, 10, 13]]);
});

test("Documents are listed without and shown with their text", async () => {
  await send("POST", "/v1/collections/docs/documents", { body: { documents: [{ id: "a", text: "hello" }] } });
  const [listed] = (await send("GET", "/v1/collections/docs/documents")).body.data as Record<string, unknown>[];
  assert.equal([listed?.id, listed?.text], ["a", undefined]);
  assert.is((await send("GET", "/v1/collections/docs/documents/a")).body.text, "hello");
});

test("A document with slashes and dots in its id is deleted by it", async () => {
  await send("POST", "/v1/collections/docs/documents", { body: { documents: [{ id: "../a b/ü.md", text: "x" }] } });
  const path = `/v1/collections/docs/documents/${encodeURIComponent("../a b/ü.md")}`;
  assert.is((await send("GET", path)).body.id, "../a b/ü.md");
  assert.is((await send("DELETE", path)).body.deleted, true);
  assert.is(errorOf(await send("DELETE", path), "second delete").code, "not_found");
});

test("Documents are deleted by a filter, hostile values meaning nothing but themselves", async () => {
  const documents = [
    { id: "a", text: "", attributes: { lang: `it's "x"\\ or 1==1` } },
    { id: "b", text: "", attributes: { lang: "en" } },
  ];
  await send("POST", "/v1/collections/docs/documents", { body: { documents } });
  const filters = { type: "eq", key: "lang", value: `it's "x"\\ or 1==1` };
  assert.equal((await send("DELETE", "/v1/collections/docs/documents", { body: { filters } })).body, {
    object: "documents.deleted",
    deleted: 1,
  });
  assert.equal([...(node.stored.get("docs")?.keys() ?? [])], ["b"]);
});

test("A job is shown, cancelled once, and then in conflict with a second cancel", async () => {
  const { id } = (await send("POST", "/v1/collections/docs/documents", { body: { documents: [{ id: "a", text: "x" }] } })).body;
  assert.is((await send("GET", `/v1/jobs/${id}`)).body.status, "queued");
  assert.is((await send("DELETE", `/v1/jobs/${id}`)).body.status, "cancelled");
  assert.is(errorOf(await send("DELETE", `/v1/jobs/${id}`), "second cancel").code, "conflict");
  assert.is(errorOf(await send("GET", "/v1/jobs/nope"), "unknown job").code, "not_found");
});

test("A search is handed over with every default, and its hits are answered byte for byte", async () => {
  node.answerSearch = async () => ({ ...encoded([]), hits: new TextEncoder().encode('[{"id":"ü#0","score":1.0}]') });
  const reply = await send("POST", "/v1/collections/docs/search", { body: { query: "what?" } });
  assert.is(reply.headers.get("content-type"), "application/json");
  assert.ok(reply.text.startsWith('{"object":"list","data":[{"id":"ü#0","score":1.0}],"mode":"full",'), reply.text);
  assert.equal((reply.body.data as unknown[]).length, 1);
  const [request] = node.searches;
  assert.equal(
    [request?.strategy, request?.topK, request?.candidateK, request?.include, request?.useCache, request?.filter],
    ["hybrid", 10, 100, ["text", "attributes", "scores", "ranks"], true, null],
  );
});

test("A search's Cache-Control: no-cache passes by the result cache", async () => {
  await send("POST", "/v1/collections/docs/search", { body: { query: "what?" }, headers: { "cache-control": "no-cache" } });
  assert.is(node.searches[0]?.useCache, false);
});

test("An alias is made, moved and deleted", async () => {
  assert.is((await send("PUT", "/v1/aliases/current", { body: { collection: "docs" } })).status, 201);
  assert.equal((await send("PUT", "/v1/aliases/current", { body: { collection: "docs", version: 1 } })).body, {
    object: "alias",
    alias: "current",
    collection: "docs",
    version: 1,
  });
  assert.is((await send("DELETE", "/v1/aliases/current")).body.deleted, true);
  assert.is(errorOf(await send("DELETE", "/v1/aliases/current"), "second delete").code, "not_found");
});

test("Operations are answered: status, health, readiness, measurements, interface, docs", async () => {
  assert.is((await send("GET", "/v1/status")).body.mode, "full");
  assert.is((await send("GET", "/healthz")).status, 200);
  assert.is((await send("GET", "/readyz")).status, 200);
  node.readiness = "draining";
  assert.is((await send("GET", "/readyz")).status, 503);
  node.readiness = "ok";
  assert.match((await send("GET", "/metrics")).text, "kennel_up 1");
  assert.is((await send("GET", "/openapi.json")).body.openapi, "3.1.0");
  const docs = await send("GET", "/docs");
  for (const [, path] of docs.text.matchAll(/(?:src|href)="([^"]+)"/g)) {
    const file = await send("GET", path as string);
    assert.is(file.status, 200, path);
    assert.ok(file.text.length > 0, path);
  }
  assert.match(docs.headers.get("content-security-policy") ?? "", "script-src 'self'");
});

test("A file is sent compressed where the client takes it, and not at all where it has it", async () => {
  const first = await fetch(`${server.url}/openapi.json`, { headers: { "accept-encoding": "identity" } });
  assert.is(first.headers.get("content-encoding"), null);
  await first.text();
  const again = await send("GET", "/openapi.json", { headers: { "if-none-match": first.headers.get("etag") ?? "" } });
  assert.equal([again.status, again.text], [304, ""]);
});

test("HEAD answers as GET does, without a body", async () => {
  const reply = await send("HEAD", "/v1/collections/docs");
  assert.equal([reply.status, reply.text], [200, ""]);
});

test("Each answer is measured under its route's pattern", async () => {
  node.observed.length = 0;
  await send("GET", "/v1/collections/docs");
  await send("GET", "/no/such/route");
  assert.equal(
    node.observed.map(({ route, method, status }) => [route, method, status]),
    [
      ["/v1/collections/{collection}", "GET", 200],
      ["unknown", "GET", 404],
    ],
  );
});

test("An evaluation asks every strategy and answers with its figures", async () => {
  const hit = { id: "a#0", document_id: "a", parent_id: null, title: "", url: "", score: 0.5, score_type: "weighted" } as const;
  node.answerSearch = async () => encoded([hit]);
  const body = { queries: [{ query: "warm", relevant: { a: 1 } }], strategies: ["bm25", "hybrid", "bm25"] };
  const { status, body: answer } = await send("POST", "/v1/collections/docs/evaluations", { body });
  assert.is(status, 200);
  const data = answer.data as { strategy: string; ndcg_10: { mean: number }; degraded: number }[];
  assert.equal(
    data.map(({ strategy, ndcg_10, degraded }) => [strategy, ndcg_10.mean, degraded]),
    [
      ["bm25", 1, 0],
      ["hybrid", 1, 0],
    ],
  );
  assert.equal([answer.object, answer.collection, answer.queries, answer.index_version], ["evaluation", "docs", 1, 1]);
  assert.is(errorOf(await send("POST", "/v1/collections/none/evaluations", { body }), "no collection").code, "not_found");
});

test.run();
