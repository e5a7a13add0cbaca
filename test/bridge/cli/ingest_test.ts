import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runCommand } from "./command_run.ts";
import { type ReceivedRequest, type ScriptedAnswer, startScriptedServer } from "./scripted_server.ts";
import { wireCollection, wireJob } from "./wire_samples.ts";

const test = suite("kennel ingest");

/** Runs `kennel ingest docs` on files made for the test. */
async function ingest(
  files: Readonly<Record<string, string>>,
  paths: readonly string[],
  answer: (request: ReceivedRequest) => ScriptedAnswer | null = () => null,
) {
  const folder = mkdtempSync(join(tmpdir(), "kennel-ingest-"));
  const server = await startScriptedServer((request) => answer(request) ?? usual(request));
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    const run = await runCommand(["ingest", "docs", ...paths.map((path) => join(folder, path)), "--json"], {
      environment: { KENNEL_URL: server.url },
    });
    const sent = server.requests.filter(({ method }) => method === "POST");
    const lines = sent.flatMap(({ body, contentType }) =>
      contentType.includes("ndjson") ? body.split("\n").map((line) => JSON.parse(line)) : [],
    );
    return { run, requests: server.requests, sent, lines };
  } finally {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

function usual({ method, path }: ReceivedRequest): ScriptedAnswer {
  if (path === "/v1/collections/docs") return { body: wireCollection("docs") };
  if (method === "POST") return { status: 202, body: wireJob("j1", { status: "queued", finished_at: null }) };
  return { body: wireJob("j1") };
}

test("Ingest sends text files of a folder by name, with their format, and leaves out what it can't read", async () => {
  const files = { "d/b.md": "# B", "d/a.txt": "A", "d/sub/c.html": "<p>C", "d/.hidden.md": "no", "d/image.png": "no" };
  const { run, lines } = await ingest(files, ["d"]);
  assert.is(run.exitCode, 0);
  assert.equal(
    lines.map(({ id, text, format }) => [id, text, format]),
    [
      ["d/a.txt", "A", "text"],
      ["d/b.md", "# B", "markdown"],
      ["sub/c.html", "<p>C", "html"],
    ],
  );
});

test("Ingest reads JSON lines, BEIR's names included", async () => {
  const corpus =
    '{"_id":"1","title":"T","text":"x","metadata":{"year":1999,"list":[1]}}\n\n{"id":"2","text":"y","attributes":{"lang":"en"}}\n';
  const { lines } = await ingest({ "corpus.jsonl": corpus }, ["corpus.jsonl"]);
  assert.equal(lines, [
    { title: "T", text: "x", id: "1", attributes: { year: 1999 } },
    { id: "2", text: "y", attributes: { lang: "en" } },
  ]);
});

test("Ingest sends files that the server parses as a form", async () => {
  const { sent } = await ingest({ "paper.pdf": "%PDF-1.4" }, ["paper.pdf"]);
  assert.match(sent[0]?.contentType ?? "", /^multipart\/form-data/);
  assert.match(sent[0]?.body ?? "", /paper\.pdf"[\s\S]*application\/pdf[\s\S]*%PDF-1\.4/);
});

test("Ingest makes the collection when there is none", async () => {
  const { run, requests } = await ingest({ "a.txt": "A" }, ["a.txt"], ({ method, path }) =>
    method === "GET" && path === "/v1/collections/docs" ? { status: 404, body: { error: { message: "no", code: "not_found" } } } : null,
  );
  assert.equal(
    requests.slice(0, 2).map(({ method, path }) => `${method} ${path}`),
    ["GET /v1/collections/docs", "PUT /v1/collections/docs"],
  );
  assert.match(run.err, "Made the collection docs");
});

test("Ingest sends bodies of bounded size and adds up their jobs", async () => {
  const corpus = Array.from({ length: 2_500 }, (_, at) => JSON.stringify({ id: `d${at}`, text: "x" })).join("\n");
  let jobs = 0;
  const { run, sent } = await ingest({ "c.jsonl": corpus }, ["c.jsonl"], ({ method }) => {
    if (method !== "POST") return null;
    jobs++;
    return { status: 202, body: wireJob(`j${jobs}`) };
  });
  assert.equal(
    sent.map(({ body }) => body.split("\n").length),
    [1_000, 1_000, 500],
  );
  const summary = JSON.parse(run.out);
  assert.is(summary.jobs.length, 3);
  assert.is(summary.counts.total, 3);
});

test("Ingest waits for the job, and tries again when the server is busy", async () => {
  let posts = 0;
  let polls = 0;
  const { run } = await ingest({ "a.txt": "A" }, ["a.txt"], ({ method, path }) => {
    if (method === "POST") {
      posts++;
      return posts < 3 ? { status: 429, headers: { "retry-after": "1" }, body: { error: { message: "busy", code: "overloaded" } } } : null;
    }
    if (!path.startsWith("/v1/jobs/")) return null;
    polls++;
    return polls < 3 ? { body: wireJob("j1", { status: "running", finished_at: null, index_version: null }) } : null;
  });
  assert.is(run.exitCode, 0);
  assert.is(posts, 3);
  assert.is(polls, 3);
});

test("Ingest fails when a document failed, and says which and why", async () => {
  const failures = [{ document_id: "a.txt", message: "PDF is encrypted" }];
  const counts = { total: 1, indexed: 0, unchanged: 0, skipped: 0, failed: 1, chunks: 0 };
  const { run } = await ingest({ "a.txt": "A" }, ["a.txt"], ({ path }) =>
    path.startsWith("/v1/jobs/") ? { body: wireJob("j1", { counts, failures }) } : null,
  );
  assert.is(run.exitCode, 1);
  assert.equal(JSON.parse(run.out).failures, failures);
});

test("Ingest names file and line of what it can't send, and sends nothing of it", async () => {
  for (const [files, path, exitCode, message] of [
    [{ "c.jsonl": '{"id":"1","text":"x"}\n{' }, "c.jsonl", 1, "c.jsonl:2: not JSON"],
    [{ "c.jsonl": '{"text":"x"}' }, "c.jsonl", 1, 'c.jsonl:1: expected a document with an "id"'],
    [{ "c.jsonl": '{"id":"1","text":"x"}\n{"id":"1","text":"y"}' }, "c.jsonl", 1, 'Two documents have the id "1"'],
    [{ "a.png": "x" }, "a.png", 2, "a.png: expected a file ending in"],
    [{ "d/a.png": "x" }, "d", 2, "Found no file to read"],
    [{}, "missing", 2, "Cannot find"],
  ] as const) {
    const { run, sent } = await ingest(files as Record<string, string>, [path]);
    assert.is(run.exitCode, exitCode, message);
    assert.match(run.err, message);
    assert.is(sent.length, 0);
  }
});

test.run();
