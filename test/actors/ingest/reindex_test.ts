import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { BuildSettings } from "../../../actors/document_store/collection_record.ts";
import type { ReindexPlan } from "../../../actors/document_store/index_version.ts";
import type { JobRecord } from "../../../actors/document_store/job_record.ts";
import type { IncomingDocument } from "../../../actors/ingest/accept.ts";
import type { BuildComparer } from "../../../actors/ingest/comparing.ts";
import type { ChunkRow, IndexName, LexicalIndex, VectorStore } from "../../../actors/vector_store/vector_store.ts";
import { kennelError } from "../../../runtime/errors.ts";
import { rejectsWith } from "../document_store/document_store_contract.ts";
import { SETTINGS } from "../document_store/documents.ts";
import { type IngestParts, openIngest, signal } from "./ingest_parts.ts";

const { language, embedding, chunking } = SETTINGS;
const SAME = { language, embedding, chunking };
const SMALL = { ...SAME, chunking: { ...chunking, maxTokens: 16, overlapTokens: 0 } };
const LONG = "Water is wet. Fire is hot. Stones are hard. Wind is fast. ".repeat(4);

function document(id: string, text: string): IncomingDocument {
  return { id, title: "", url: "", attributes: {}, principals: [], vector: null, source: { kind: "text", text, format: "text" } };
}

const IDS = Array.from({ length: 200 }, (_, place) => `d${String(place).padStart(3, "0")}`);

interface Context {
  parts: IngestParts;
  /** Runs before a write to the index of this version, once. */
  onWrite: Map<number, () => Promise<void> | void>;
}

const reindex = suite<Context>("reindex");
reindex.before.each(async (context) => {
  context.onWrite = new Map();
  const wrapVectors = (store: VectorStore & LexicalIndex): VectorStore & LexicalIndex =>
    new Proxy(store, {
      get(target, name, receiver) {
        const value = Reflect.get(target, name, receiver);
        if (typeof value !== "function") return value;
        if (name !== "replaceDocuments") return value.bind(target);
        return async (...call: Parameters<VectorStore["replaceDocuments"]>) => {
          const hook = context.onWrite.get(call[0].version);
          context.onWrite.delete(call[0].version);
          await hook?.();
          return target.replaceDocuments(...call);
        };
      },
    });
  context.parts = await openIngest({ wrapVectors });
  await context.parts.catalog.put("docs", SETTINGS, signal);
  await add(
    context.parts,
    IDS.map((id) => document(id, LONG)),
  );
});
reindex.after.each(({ parts }) => parts.close());

async function add(parts: IngestParts, documents: readonly IncomingDocument[]): Promise<void> {
  await parts.finished((await parts.ingest.accept("docs", documents, signal)).id);
}

async function rowsOf(parts: IngestParts, version: number): Promise<ReadonlyMap<string, readonly ChunkRow[]>> {
  const rows: ChunkRow[] = [];
  for await (const page of parts.vectors.scan({ collection: "docs", version }, 1000, signal)) rows.push(...page);
  return Map.groupBy(rows, (row) => row.documentId);
}

reindex("A reindex with other chunking builds the next version beside the old one and takes its place", async ({ parts }) => {
  const before = await rowsOf(parts, 1);
  const job = await parts.ingest.reindex("docs", SMALL, signal);
  assert.is(parts.catalog.require("docs").version, 1);
  assert.equal(
    parts.catalog.building().map(({ name }) => name),
    ["docs"],
  );
  await rejectsWith("conflict", parts.ingest.reindex("docs", SAME, signal));
  const done = await parts.finished(job.id);
  assert.is(done.status, "completed");
  const after = await rowsOf(parts, 2);
  assert.equal([...after.keys()].sort(), IDS);
  for (const [id, rows] of after) {
    assert.ok(rows.length > (before.get(id)?.length ?? 0), id);
    const changedMs = (await parts.documents.getDocument("docs", id, signal))?.updatedAtMs;
    assert.ok(rows.every((row) => row.vector !== null && row.updatedAtMs === changedMs));
  }
  const chunks = [...after.values()].reduce((sum, rows) => sum + rows.length, 0);
  assert.equal(done.counts, { total: 200, indexed: 200, unchanged: 0, skipped: 0, failed: 0, chunks });
  const { record, version } = parts.catalog.require("docs");
  assert.equal([version, record.chunks, record.settings.chunking.maxTokens, record.indexVersion], [2, chunks, 16, done.indexVersion]);
  assert.equal(parts.catalog.building(), []);
  assert.equal(parts.changes.at(-1), { collection: "docs", indexVersion: record.indexVersion });
  assert.equal(await rowsOf(parts, 1), before, "the old build is as it was");
});

reindex("Without other chunking the stored chunks are indexed again as they were cut", async ({ parts }) => {
  const before = await rowsOf(parts, 1);
  await parts.finished((await parts.ingest.reindex("docs", { ...SAME, language: "german" }, signal)).id);
  const after = await rowsOf(parts, 2);
  const untimed = (rows: readonly ChunkRow[] | undefined) => rows?.map(({ updatedAtMs: _, ...row }) => row);
  for (const id of IDS) assert.equal(untimed(after.get(id)), untimed(before.get(id)));
  assert.is(parts.catalog.require("docs").record.settings.language, "german");
});

reindex("What is added, replaced and removed while a build is made is so in both builds", async ({ parts, onWrite }) => {
  const later: Promise<unknown>[] = [];
  onWrite.set(2, async () => {
    const job = await parts.ingest.accept("docs", [document("d000", "replaced"), document("a new one", "added")], signal);
    later.push(parts.ingest.deleteDocuments("docs", ["d001", "d099"], signal), parts.finished(job.id));
  });
  const job = await parts.ingest.reindex("docs", SMALL, signal);
  await parts.finished(job.id);
  await Promise.all(later);
  const kept = [...IDS.filter((id) => id !== "d001" && id !== "d099"), "a new one"].sort();
  for (const version of [1, 2]) {
    const rows = await rowsOf(parts, version);
    assert.equal([...rows.keys()].sort(), kept, `version ${version}`);
    assert.equal(
      rows.get("d000")?.map((row) => row.text),
      ["replaced"],
    );
  }
  const { record } = parts.catalog.require("docs");
  const rows = [...(await rowsOf(parts, 2)).values()].flat();
  assert.equal([record.version, record.documents, record.chunks], [2, kept.length, rows.length]);
});

reindex("A cancelled reindex leaves the collection as it was, and what it had built can be dropped", async ({ parts, onWrite }) => {
  const before = parts.catalog.require("docs").record;
  let cancelled: Promise<boolean> = Promise.resolve(false);
  const job = await parts.documents.beginReindex("docs", "job_seen", SMALL, null, false, signal);
  await parts.catalog.refresh("docs", signal);
  onWrite.set(2, () => {
    cancelled = parts.ingest.cancel(job.id, signal);
  });
  assert.is(await parts.ingest.repairIfIncomplete("docs", signal), false, "one is building");
  await parts.ingest.cancel(job.id, signal);
  const second = await parts.ingest.reindex("docs", SMALL, signal);
  onWrite.set(3, () => {
    cancelled = parts.ingest.cancel(second.id, signal);
  });
  assert.is((await parts.finished(second.id)).status, "cancelled");
  assert.is(await cancelled, true);
  const { record } = parts.catalog.require("docs");
  assert.equal([record.version, record.chunks, record.settings], [1, before.chunks, before.settings]);
  assert.equal(
    record.versions.map(({ kind, version }) => [kind, version]),
    [
      ["retired", 2],
      ["retired", 3],
    ],
  );
  for (const version of [2, 3]) assert.is(await parts.ingest.dropVersion("docs", version, signal), true);
  assert.equal(parts.catalog.require("docs").record.versions, []);
  await rejectsWith("not_found", parts.vectors.countRows(at(3), signal));
});

reindex("An alias that pins a build keeps it with its own settings, and what is deleted leaves it as well", async ({ parts }) => {
  await parts.catalog.putAlias({ alias: "before", collection: "docs", version: 1 }, signal);
  await parts.finished((await parts.ingest.reindex("docs", { ...SMALL, language: "german" }, signal)).id);
  const old = parts.catalog.require("before");
  assert.equal([old.version, old.record.settings.language, old.record.settings.chunking], [1, "english", chunking]);
  assert.is(await parts.ingest.dropVersion("docs", 1, signal), false);
  await parts.ingest.deleteDocuments("docs", ["d050"], signal);
  for (const version of [1, 2]) assert.is((await rowsOf(parts, version)).has("d050"), false, `version ${version}`);
  await parts.catalog.deleteAlias("before", signal);
  await parts.catalog.putAlias({ alias: "again", collection: "docs", version: 1 }, signal);
  await parts.catalog.deleteAlias("again", signal);
  assert.is(await parts.ingest.dropVersion("docs", 1, signal), true);
  await rejectsWith("not_found", parts.vectors.countRows(at(1), signal));
  await rejectsWith("not_found", parts.catalog.putAlias({ alias: "again", collection: "docs", version: 1 }, signal));
});

reindex("An index that was lost, or rows of it, is found and built anew; one that is whole is left alone", async ({ parts }) => {
  assert.is(await parts.ingest.repairIfIncomplete("docs", signal), false);
  await parts.vectors.replaceDocuments(at(1), ["d007"], [], signal);
  assert.is(await parts.ingest.repairIfIncomplete("docs", signal), true);
  await repaired(parts, 2);
  await parts.vectors.dropIndex(at(2), signal);
  assert.is(await parts.ingest.repairIfIncomplete("docs", signal), true);
  await repaired(parts, 3);
  assert.is((await rowsOf(parts, 3)).size, 200);
});

reindex("Documents that come after an index was lost begin its repair, and nothing of what was there is missing", async ({ parts }) => {
  await parts.vectors.dropIndex(at(1), signal);
  await add(parts, [document("new", "after the loss")]);
  await repaired(parts, 2);
  assert.equal([...(await rowsOf(parts, 2)).keys()].sort(), [...IDS, "new"].sort());
  assert.is(parts.catalog.require("docs").record.documents, 201);
});

/** Answers as if both builds had been asked `questions` questions. */
function comparer(questions: number, isWorse: boolean, onStep: (left: number) => Promise<void> | void = () => {}): BuildComparer {
  return () => {
    let left = questions;
    return {
      async step() {
        await onStep(left);
        return left-- > 0;
      },
      result: () => ({
        basis: "recent",
        queries: questions,
        failed: 0,
        ndcg10: null,
        overlap10: isWorse ? 0 : 1,
        rankBiasedOverlap: isWorse ? 0 : 1,
        scoreShift: 0,
        emptied: 0,
        isWorse,
      }),
    };
  };
}

const COMPARE: ReindexPlan["compare"] = { judged: null, strategy: "hybrid", margin: 0.01, minOverlap: 0.5, maxQueries: 10 };
const AUTO: ReindexPlan = { switch: "auto", keepMs: null, compare: COMPARE };

/** The reindex has ended, and the view shows what became of its build. */
async function concluded(parts: IngestParts, build: BuildSettings, plan: ReindexPlan): Promise<JobRecord> {
  const job = await parts.finished((await parts.ingest.reindex("docs", build, signal, plan)).id);
  await parts.catalog.refresh("docs", signal);
  return job;
}

async function withComparer(compare: BuildComparer, body: (parts: IngestParts) => Promise<void>): Promise<void> {
  const parts = await openIngest({ options: { compare } });
  try {
    await parts.catalog.put("docs", SETTINGS, signal);
    await add(
      parts,
      IDS.slice(0, 40).map((id) => document(id, LONG)),
    );
    await body(parts);
  } finally {
    await parts.close();
  }
}

reindex(
  "A build that is worse is held and kept up; one call switches to it, and one back, and nothing that came meanwhile is lost",
  async () => {
    await withComparer(comparer(40, true), async (parts) => {
      const job = await concluded(parts, SMALL, AUTO);
      assert.equal([job.status, job.outcome?.decision, job.outcome?.reason], ["completed", "held", "worse"]);
      assert.is(job.outcome?.comparison?.queries, 40, "compared in several rounds");
      assert.is(parts.catalog.require("docs").version, 1);
      await add(parts, [document("d000", "replaced"), document("new", "added")]);
      await parts.ingest.deleteDocuments("docs", ["d001"], signal);
      const switched = await parts.ingest.switchVersion("docs", null, null, signal);
      assert.equal([switched.version, switched.settings.chunking.maxTokens], [2, 16]);
      assert.equal(parts.changes.at(-1), { collection: "docs", indexVersion: switched.indexVersion });
      await add(parts, [document("later", "added after the switch")]);
      const ids = [...IDS.slice(0, 40).filter((id) => id !== "d001"), "later", "new"].sort();
      for (const version of [2, 1]) {
        const rows = await rowsOf(parts, version);
        assert.equal([...rows.keys()].sort(), ids, `version ${version}`);
        assert.is(rows.get("d000")?.[0]?.text, "replaced");
      }
      const back = await parts.ingest.switchVersion("docs", 1, null, signal);
      assert.equal([back.version, back.chunks], [1, [...(await rowsOf(parts, 1)).values()].flat().length]);
      await rejectsWith("conflict", parts.ingest.switchVersion("docs", 7, null, signal));
      assert.is(await parts.ingest.dropVersion("docs", 2, signal), false, "it is kept up");
      assert.is(await parts.ingest.retireVersion("docs", 2, signal), true);
      assert.is(await parts.ingest.retireVersion("docs", 2, signal), false);
      assert.is(await parts.ingest.dropVersion("docs", 2, signal), true);
      await rejectsWith("conflict", parts.ingest.switchVersion("docs", null, null, signal));
    });
  },
);

reindex("A build that is not worse is switched to, and what to do without a comparison is said by the plan", async () => {
  await withComparer(comparer(3, false), async (parts) => {
    const outcomes: unknown[] = [];
    for (const plan of [AUTO, { ...AUTO, compare: null }, { ...AUTO, switch: "manual" }, { ...AUTO, switch: "always" }] as ReindexPlan[]) {
      const job = await concluded(parts, SAME, plan);
      outcomes.push([job.outcome?.decision, job.outcome?.reason, parts.catalog.require("docs").version]);
    }
    assert.equal(outcomes, [
      ["switched", "not_worse", 2],
      ["switched", "nothing_to_compare", 3],
      ["held", "manual", 3],
      ["switched", "always", 5],
    ]);
  });
});

reindex("A comparison that cannot be made yet is made later, and a cancelled one leaves the collection as it was", async () => {
  let failures = 3;
  const away = comparer(2, false, () => {
    if (failures-- > 0) throw kennelError("unavailable");
  });
  await withComparer(away, async (parts) => {
    const job = await parts.finished((await parts.ingest.reindex("docs", SAME, signal, AUTO)).id);
    assert.equal([job.outcome?.reason, failures < 0], ["not_worse", true]);
  });
  let cancelled: Promise<boolean> = Promise.resolve(false);
  let onStep = () => {};
  await withComparer(
    comparer(1_000, false, () => onStep()),
    async (parts) => {
      const job = await parts.ingest.reindex("docs", SAME, signal, AUTO);
      onStep = () => {
        onStep = () => {};
        cancelled = parts.ingest.cancel(job.id, signal);
      };
      assert.is((await parts.finished(job.id)).status, "cancelled");
      assert.is(await cancelled, true);
      await parts.catalog.refresh("docs", signal);
      assert.equal(
        parts.catalog.require("docs").record.versions.map(({ kind }) => kind),
        ["retired"],
      );
    },
  );
});

reindex("A build that is kept up holds nothing up: when it cannot take a document, it is retired", async ({ parts, onWrite }) => {
  await concluded(parts, SMALL, { ...AUTO, switch: "manual" });
  assert.is(parts.catalog.require("docs").record.versions[0]?.kind, "standby");
  onWrite.set(2, () => {
    throw kennelError("unavailable");
  });
  await add(parts, [document("new", "added")]);
  assert.is(parts.catalog.require("docs").record.versions[0]?.kind, "retired");
  assert.ok((await rowsOf(parts, 1)).has("new"));
  await concluded(parts, SMALL, { ...AUTO, switch: "manual" });
  await parts.vectors.dropIndex(at(3), signal);
  await rejectsWith("conflict", parts.ingest.switchVersion("docs", 2, null, signal));
});

reindex("A collection goes with all builds it has", async ({ parts }) => {
  await parts.finished((await parts.ingest.reindex("docs", SAME, signal)).id);
  const open = await parts.ingest.reindex("docs", SAME, signal);
  await parts.catalog.delete("docs", signal);
  for (const version of [1, 2, 3]) await rejectsWith("not_found", parts.vectors.countRows(at(version), signal));
  assert.is(await parts.documents.getJob(open.id, signal), null);
});

function at(version: number): IndexName {
  return { collection: "docs", version };
}

async function repaired(parts: IngestParts, version: number): Promise<void> {
  while (parts.catalog.require("docs").version < version) await parts.clock.advance(10);
}

reindex.run();
