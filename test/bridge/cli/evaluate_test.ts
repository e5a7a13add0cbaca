import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runCommand } from "./command_run.ts";
import { type ReceivedRequest, type ScriptedAnswer, startScriptedServer } from "./scripted_server.ts";
import { wireAnswer, wireCollection } from "./wire_samples.ts";

const test = suite("kennel eval");
const QUERIES = '{"_id":"q1","text":"first"}\n{"_id":"q2","text":"second"}\n{"_id":"unjudged","text":"third"}\n';
const QRELS = "query-id\tcorpus-id\tscore\nq1\ta\t1\nq2\tb\t1\n";

interface Given {
  readonly args?: readonly string[];
  readonly queries?: string;
  readonly qrels?: string;
  readonly answer?: (request: ReceivedRequest) => ScriptedAnswer;
}

async function evaluate({ args = [], queries = QUERIES, qrels = QRELS, answer = ask }: Given) {
  const folder = mkdtempSync(join(tmpdir(), "kennel-eval-"));
  const server = await startScriptedServer(answer);
  try {
    writeFileSync(join(folder, "queries.jsonl"), queries);
    writeFileSync(join(folder, "qrels.tsv"), qrels);
    const files = ["--queries", join(folder, "queries.jsonl"), "--qrels", join(folder, "qrels.tsv")];
    const run = await runCommand(["eval", "docs", ...files, ...args], { environment: { KENNEL_URL: server.url } });
    return { run, requests: server.requests };
  } finally {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Both queries get the same answer: the first query's document comes first, the second's comes second. */
function ask(): ScriptedAnswer {
  return { body: wireAnswer(["a", "b"]) };
}

test("Eval asks every judged query for 100 documents and prints the four figures with their intervals", async () => {
  const { run, requests } = await evaluate({ args: ["--json"] });
  assert.is(run.exitCode, 0);
  assert.equal(requests.map(({ body }) => JSON.parse(body).query).sort(), ["first", "second"]);
  assert.equal(JSON.parse(requests[0]?.body ?? ""), { query: "first", top_k: 100, group_by: "document", include: [], strategy: "hybrid" });
  const { queries, strategies } = JSON.parse(run.out);
  assert.is(queries, 2);
  const { ndcg_10, map, mrr_10, recall_100, degraded } = strategies.hybrid;
  assert.ok(Math.abs(ndcg_10.mean - (1 + 1 / Math.log2(3)) / 2) < 1e-12);
  assert.is(map.mean, 0.75);
  assert.is(mrr_10.mean, 0.75);
  assert.is(recall_100.mean, 1);
  assert.is(degraded, 0);
  assert.ok(map.low >= 0.5 && map.low <= 0.75 && map.high <= 1 && map.high >= 0.75);
});

test("Eval prints a table with one line a strategy", async () => {
  const { run } = await evaluate({ args: ["--strategy", "all"] });
  for (const name of ["vector", "bm25", "hybrid", "parent_document"]) assert.match(run.out, new RegExp(`^${name} +0\\.8155 \\[`, "m"));
  assert.match(run.out, /^strategy +nDCG@10 +MAP +MRR@10 +recall@100$/m);
  assert.match(run.out, "2 judged queries");
});

test("Eval fails when nDCG@10 is below what was asked for", async () => {
  assert.is((await evaluate({ args: ["--min-ndcg", "0.8"] })).run.exitCode, 0);
  const { run } = await evaluate({ args: ["--min-ndcg", "0.9"] });
  assert.is(run.exitCode, 1);
  assert.match(run.err, "nDCG@10 is 0.8155, below 0.9");
});

test("Eval says when answers were degraded", async () => {
  const degradations = [{ stage: "embed", reason: "unavailable", service: "embedding", breaker: "open" }];
  const { run } = await evaluate({ answer: () => ({ body: wireAnswer(["a"], { mode: "lexical", degradations }) }) });
  assert.match(run.err, "2 of 2 answers of hybrid were degraded");
});

test("Eval --tune saves the weight that ranks best, and leaves the other settings alone", async () => {
  const { run, requests } = await evaluate({
    args: ["--tune", "--json"],
    answer({ method, path, body }) {
      if (path === "/v1/collections/docs") return { body: wireCollection("docs") };
      const asked = JSON.parse(body);
      const isBest = method === "POST" && asked.fusion?.alpha === 0.45;
      return { body: wireAnswer(isBest ? [asked.query === "first" ? "a" : "b"] : ["x", "a", "b"]) };
    },
  });
  assert.is(run.exitCode, 0);
  const put = requests.filter(({ method }) => method === "PUT");
  assert.equal(
    put.map(({ body }) => JSON.parse(body)),
    [{ ...wireCollection("docs").settings, fusion: { type: "weighted", alpha: 0.45 } }],
  );
  const { tuning } = JSON.parse(run.out);
  assert.equal(tuning.best, { alpha: 0.45, ndcg_10: 1 });
  assert.is(tuning.tried.length, 21);
  assert.is(tuning.held_out_ndcg_10, null, "two queries can't be held out five times");
});

test("Eval --tune saves nothing on degraded answers", async () => {
  const degradations = [{ stage: "embed", reason: "unavailable", service: "embedding", breaker: "open" }];
  const { run, requests } = await evaluate({
    args: ["--tune"],
    answer: ({ path }) => ({ body: path === "/v1/collections/docs" ? wireCollection("docs") : wireAnswer(["a"], { degradations }) }),
  });
  assert.is(run.exitCode, 1);
  assert.not.ok(requests.some(({ method }) => method === "PUT"));
});

test("Eval names file and line of judgements and queries that it can't read", async () => {
  for (const [given, message] of [
    [{ qrels: "q1\ta\t1\nq1 a 1\n" }, "qrels.tsv:2: expected query id, document id and a whole grade"],
    [{ qrels: "q1\ta\t1\nq1\ta\thigh\n" }, "qrels.tsv:2: expected"],
    [{ queries: '{"_id":"q1"}\n' }, 'queries.jsonl:1: expected {"_id"'],
    [{ qrels: "zzz\ta\t1\n" }, "No query of"],
  ] as const) {
    const { run } = await evaluate(given);
    assert.is(run.exitCode, 2);
    assert.match(run.err, message);
  }
});

test("Eval judges an ensemble beside the others, or names the option it lacks", async () => {
  const { run, requests } = await evaluate({ args: ["--strategy", "all", "--ensemble", "hybrid=0.7, bm25"] });
  assert.is(run.exitCode, 0);
  for (const name of ["multi_query", "hyde", "ensemble"]) assert.match(run.out, new RegExp(`^${name} +0\\.8155 \\[`, "m"));
  const { strategy, strategies } = JSON.parse(requests.at(-1)?.body ?? "");
  assert.equal(
    [strategy, strategies],
    [
      "ensemble",
      [
        { strategy: "hybrid", weight: 0.7 },
        { strategy: "bm25", weight: 1 },
      ],
    ],
  );
  const lacking = await evaluate({ args: ["--strategy", "ensemble"] });
  assert.match(lacking.run.err, /--ensemble/);
  for (const wrong of ["hybrid=0", "nonsense=1", "ensemble=1"]) {
    assert.is.not((await evaluate({ args: ["--ensemble", wrong] })).run.exitCode, 0);
  }
});

test.run();
