import { readFile } from "node:fs/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ndcg } from "../../actors/retriever/evaluation/metrics.ts";
import type { Caller } from "./caller.ts";
import { onNode } from "./node_rig.ts";

const NPL = new URL("../data/npl/", import.meta.url);
const DOCUMENTS_PER_REQUEST = 4_000;
/** Least nDCG@10 over NPL's 93 queries; each about .01 below what was measured. */
const LEAST_NDCG = { bm25: 0.42, vector: 0.345, hybrid: 0.445 } as const;

interface Line {
  readonly _id: string;
  readonly title?: string;
  readonly text: string;
}

async function readLines(file: string): Promise<readonly Line[]> {
  const text = await readFile(new URL(file, NPL), "utf8");
  return text.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line) as Line]));
}

async function readJudgements(): Promise<ReadonlyMap<string, ReadonlyMap<string, number>>> {
  const judged = new Map<string, Map<string, number>>();
  for (const line of (await readFile(new URL("qrels.tsv", NPL), "utf8")).split("\n").slice(1)) {
    const [query, document, grade] = line.split("\t");
    if (query === undefined || document === undefined) continue;
    const grades = judged.get(query) ?? new Map<string, number>();
    judged.set(query, grades.set(document, Number(grade)));
  }
  return judged;
}

async function loadCorpus(caller: Caller): Promise<void> {
  await caller.makeCollection("npl");
  const corpus = await readLines("corpus.jsonl");
  for (let from = 0; from < corpus.length; from += DOCUMENTS_PER_REQUEST) {
    const documents = corpus.slice(from, from + DOCUMENTS_PER_REQUEST).map(({ _id, title, text }) => ({ id: _id, title, text }));
    assert.is((await caller.addDocuments("npl", documents)).counts.failed, 0);
  }
}

test("Questions of the NPL collection are answered, over HTTP, as well as retrieval research says they can be", () =>
  onNode({}, async ({ caller }) => {
    await loadCorpus(caller);
    const queries = await readLines("queries.jsonl");
    const judged = await readJudgements();
    for (const [strategy, least] of Object.entries(LEAST_NDCG)) {
      const values = await Promise.all(
        queries.map(async ({ _id, text }) => {
          const ranked = await caller.found("npl", { query: text, strategy, top_k: 10, include: [] });
          return ndcg(ranked, judged.get(_id) ?? new Map(), 10);
        }),
      );
      const mean = values.reduce((sum, value) => sum + value, 0) / queries.length;
      console.log(`nDCG@10 ${strategy} ${mean.toFixed(4)}`);
      assert.ok(mean >= least, `nDCG@10 of ${strategy} is ${mean.toFixed(4)}, less than ${least}`);
    }
  }));

test.run();
