import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { WireJob } from "../../bridge/schema/jobs.ts";
import { seededRandom } from "../../runtime/random.ts";
import { type KennelProcess, startKennel } from "../support/kennel_process.ts";
import { Caller, until } from "./caller.ts";

const KILLS = 3;
const SEED = 20_261_125;
const DOCUMENTS = Array.from({ length: 800 }, (_, place) => ({
  id: `d${place}`,
  text: `alpha w${place}. ${"Ships went down to the sea again. ".repeat(8)}`,
}));
/** Small batches, so that a kill finds the build in its middle. */
const SETTINGS = { KENNEL_LOAD_DOCUMENTATION: "false", KENNEL_LOG_LEVEL: "silent", KENNEL_INGEST_BATCH_DOCUMENTS: "16" };
const REINDEX = { language: "none", chunking: { max_tokens: 32, overlap_tokens: 0 } };

test("A reindex that is killed again and again goes on from where it was, and ends with every document once", async () => {
  const folder = await mkdtemp(join(tmpdir(), "kennel-reindex-kill-"));
  const settings = { ...SETTINGS, KENNEL_DATA_DIR: join(folder, "data") };
  const random = seededRandom(SEED);
  let running: KennelProcess | null = null;
  try {
    running = await startKennel(settings);
    let caller = new Caller(running.url);
    await caller.makeCollection("docs", { resident: "never" });
    await caller.addDocuments("docs", DOCUMENTS);
    const { id } = await caller.must<WireJob>("POST", "/v1/collections/docs/reindex", { ...REINDEX, switch: "always" });
    const progress: number[] = [];
    for (let kill = 0; kill < KILLS; kill++) {
      const goal = (progress.at(-1) ?? 0) + 1 + Math.floor(random.next() * 150);
      let job = await caller.must<WireJob>("GET", `/v1/jobs/${id}`);
      await until("the build has come further", async () => {
        job = await caller.must<WireJob>("GET", `/v1/jobs/${id}`);
        return job.counts.indexed >= goal || job.finished_at !== null;
      });
      if (job.finished_at !== null) break;
      progress.push(job.counts.indexed);
      running.signal("SIGKILL");
      await running.ended;
      running = await startKennel(settings);
      caller = new Caller(running.url);
      const again = await caller.must<WireJob>("GET", `/v1/jobs/${id}`);
      assert.ok(again.counts.indexed >= job.counts.indexed, `seed ${SEED}: what was built stays built`);
      const { data, degradations } = await caller.search("docs", { query: "ships at sea" });
      assert.equal([data.length > 0, degradations], [true, []], "searched meanwhile");
    }
    assert.ok(progress.length > 0, `seed ${SEED}: no kill came in time`);
    const job = await caller.jobEnded(await caller.must<WireJob>("GET", `/v1/jobs/${id}`));
    assert.equal([job.status, job.counts.total, job.counts.indexed], ["completed", DOCUMENTS.length, DOCUMENTS.length]);
    const { version, documents, settings: now } = await caller.collection("docs");
    assert.equal([version, documents, now.language], [2, DOCUMENTS.length, "none"]);
    const found = await caller.search("docs", {
      query: "alpha",
      strategy: "bm25",
      top_k: 1_000,
      candidate_k: 1_000,
      group_by: "document",
    });
    assert.is(new Set(found.data.map((hit) => hit.document_id)).size, DOCUMENTS.length);
    for (const place of [0, 399, 799]) assert.equal(await caller.found("docs", { query: `w${place}`, strategy: "bm25" }), [`d${place}`]);
  } finally {
    await running?.stop();
    await rm(folder, { recursive: true, force: true });
  }
});

test("A node that is killed while it compares builds compares them after the next start, and decides once", async () => {
  const folder = await mkdtemp(join(tmpdir(), "kennel-compare-kill-"));
  const settings = { ...SETTINGS, KENNEL_DATA_DIR: join(folder, "data") };
  const queries = Array.from({ length: 800 }, (_, place) => ({ query: `w${place}`, relevant: { [`d${place}`]: 1 } }));
  let running: KennelProcess | null = null;
  try {
    running = await startKennel(settings);
    let caller = new Caller(running.url);
    await caller.makeCollection("docs", { resident: "never" });
    await caller.addDocuments("docs", DOCUMENTS.slice(0, 100));
    const { id } = await caller.must<WireJob>("POST", "/v1/collections/docs/reindex", { ...REINDEX, compare: { queries, margin: 1 } });
    await until("the build is complete", async () => {
      const { counts, status } = await caller.must<WireJob>("GET", `/v1/jobs/${id}`);
      assert.is.not(status, "completed", "the comparison takes longer than a look");
      return counts.indexed === 100;
    });
    running.signal("SIGKILL");
    await running.ended;
    running = await startKennel(settings);
    caller = new Caller(running.url);
    assert.is((await caller.collection("docs")).version, 1, "nothing was decided");
    const job = await caller.jobEnded(await caller.must<WireJob>("GET", `/v1/jobs/${id}`));
    assert.equal([job.outcome?.decision, job.outcome?.comparison?.queries], ["switched", 800]);
    const { version, versions } = await caller.collection("docs");
    assert.equal([version, versions.map(({ status }) => status)], [2, ["kept"]]);
  } finally {
    await running?.stop();
    await rm(folder, { recursive: true, force: true });
  }
});

test.run();
