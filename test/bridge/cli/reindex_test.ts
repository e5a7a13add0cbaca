import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runCommand } from "./command_run.ts";
import { startScriptedServer } from "./scripted_server.ts";
import { wireCollection, wireJob } from "./wire_samples.ts";

const test = suite("kennel reindex");

for (const [status, exitCode] of [
  ["completed", 0],
  ["cancelled", 1],
] as const) {
  test(`Reindex sends the settings it is given, waits for the job, and tells that it was ${status}`, async () => {
    const server = await startScriptedServer(({ method }) =>
      method === "POST"
        ? { status: 202, body: wireJob("j1", { kind: "reindex", status: "queued", finished_at: null }) }
        : { body: wireJob("j1", { kind: "reindex", status }) },
    );
    try {
      const args = ["reindex", "docs", "--language", "german", "--chunking", '{"max_tokens":64}', "--json"];
      const run = await runCommand(args, { environment: { KENNEL_URL: server.url } });
      assert.is(run.exitCode, exitCode);
      const [sent] = server.requests;
      assert.equal([sent?.method, sent?.path], ["POST", "/v1/collections/docs/reindex"]);
      assert.equal(JSON.parse(sent?.body ?? ""), { language: "german", chunking: { max_tokens: 64 } });
      assert.match(JSON.stringify(run), new RegExp(status));
    } finally {
      await server.close();
    }
  });
}

test("Reindex sends judged queries to compare by, and says what became of the build", async () => {
  const folder = mkdtempSync(join(tmpdir(), "kennel-reindex-"));
  writeFileSync(join(folder, "queries.jsonl"), '{"_id":"1","text":"hunting dogs"}\n');
  writeFileSync(join(folder, "qrels.tsv"), "query-id\tcorpus-id\tscore\n1\tbeagle\t2\n");
  const comparison = {
    basis: "judged" as const,
    queries: 1,
    failed: 0,
    ndcg_10: { before: 1, after: 0.5, difference: { mean: -0.5, low: -0.5, high: -0.5 } },
    overlap_10: 0.5,
    rank_biased_overlap: 0.5,
    score_shift: null,
    emptied: 0,
    is_worse: true,
  };
  const server = await startScriptedServer(() => ({
    body: wireJob("j1", { kind: "reindex", outcome: { decision: "held", reason: "worse", comparison } }),
  }));
  try {
    const files = ["--queries", join(folder, "queries.jsonl"), "--qrels", join(folder, "qrels.tsv")];
    const run = await runCommand(["reindex", "docs", "--switch", "auto", ...files], { environment: { KENNEL_URL: server.url } });
    assert.is(run.exitCode, 0);
    assert.equal(JSON.parse(server.requests[0]?.body ?? ""), {
      switch: "auto",
      compare: { queries: [{ query: "hunting dogs", relevant: { beagle: 2 } }] },
    });
    assert.match(JSON.stringify(run), /worse: 1 judged queries, nDCG@10 1.0000 before, 0.5000 now; the new build is held/);
    const alone = await runCommand(["reindex", "docs", "--qrels", "x"], { environment: { KENNEL_URL: server.url } });
    assert.is(alone.exitCode, 2);
  } finally {
    await server.close();
    rmSync(folder, { recursive: true });
  }
});

test("Switch says which build is searched from now on, and which is kept", async () => {
  const build = { language: "english", embedding: "static-minilm-256", chunking: { max_tokens: 16, overlap_tokens: 0, parent_tokens: 0 } };
  const kept = { version: 1, status: "kept" as const, ...build, job: "j1", kept_until: null, is_repair: false };
  const server = await startScriptedServer(() => ({ body: wireCollection("docs", { version: 2, versions: [kept] }) }));
  try {
    const run = await runCommand(["switch", "docs", "--to", "2"], { environment: { KENNEL_URL: server.url } });
    assert.is(run.exitCode, 0);
    assert.equal(JSON.parse(server.requests[0]?.body ?? ""), { version: 2 });
    assert.match(JSON.stringify(run), /docs: version 2 is searched, version 1 is kept/);
  } finally {
    await server.close();
  }
});

test.run();
