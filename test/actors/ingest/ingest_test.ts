import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { IncomingDocument } from "../../../actors/ingest/accept.ts";
import type { LexicalIndex, VectorStore } from "../../../actors/vector_store/vector_store.ts";
import { kennelError } from "../../../runtime/errors.ts";
import { rejectsWith } from "../document_store/document_store_contract.ts";
import { SETTINGS } from "../document_store/documents.ts";
import { type IngestParts, openIngest, signal } from "./ingest_parts.ts";

function document(id: string, text: string, differs: Partial<IncomingDocument> = {}): IncomingDocument {
  return {
    id,
    title: "",
    url: "",
    attributes: {},
    principals: [],
    vector: null,
    source: { kind: "text", text, format: "text" },
    ...differs,
  };
}

function many(count: number, text = "about retrieval"): IncomingDocument[] {
  return Array.from({ length: count }, (_, place) => document(`d${place}`, `number ${place} ${text}`));
}

/** A store whose methods can be made to fail or wait. */
function switchable(store: VectorStore & LexicalIndex, hooks: { replace: () => Promise<void> }): VectorStore & LexicalIndex {
  return new Proxy(store, {
    get(target, name) {
      const method = Reflect.get(target, name, target) as unknown;
      if (typeof method !== "function") return method;
      if (name !== "replaceDocuments") return method.bind(target);
      return async (...parameters: unknown[]) => {
        await hooks.replace();
        return method.apply(target, parameters);
      };
    },
  });
}

const ingesting = suite<{ parts: IngestParts; hooks: { replace: () => Promise<void> } }>("ingest");
ingesting.before(async (context) => {
  const hooks = { replace: async () => {} };
  context.hooks = hooks;
  context.parts = await openIngest({ wrapVectors: (store) => switchable(store, hooks) });
});
ingesting.before.each(async ({ parts, hooks }) => {
  hooks.replace = async () => {};
  parts.changes.length = 0;
  await parts.catalog.put("docs", SETTINGS, signal);
});
ingesting.after.each(async ({ parts }) => void (await parts.catalog.delete("docs", signal)));
ingesting.after(({ parts }) => parts.close());

ingesting("Documents of a completed job are in both stores, with vectors, titles and attributes", async ({ parts }) => {
  const documents = [
    document("one", "# Kennels\n\nDogs live here.", {
      attributes: { lang: "en", year: 2024, open: true },
      principals: ["b", "a", "b"],
      source: { kind: "text", text: "# Kennels\n\nDogs live here.", format: "markdown" },
    }),
    document("two", "", { title: "Only a title" }),
    document("three", ""),
  ];
  const accepted = await parts.ingest.accept("docs", documents, signal);
  assert.is(accepted.counts.total, 3);
  const job = await parts.finished(accepted.id);
  assert.is(job.status, "completed");
  assert.equal(job.counts, { total: 3, indexed: 2, unchanged: 0, skipped: 1, failed: 0, chunks: 2 });
  const rows = (await parts.rows("docs")).sort((a, b) => (a.id < b.id ? -1 : 1));
  assert.equal(
    rows.map((row) => [row.id, row.title, row.vector?.length]),
    [
      ["one#0", "Kennels", 256],
      ["two#0", "Only a title", 256],
    ],
  );
  assert.equal(rows[0]?.attributes, { lang: "en", year: 2024, open: true });
  assert.equal(rows[0]?.principals, ["a", "b"]);
  const stored = await parts.documents.getDocument("docs", "one", signal);
  assert.is(stored?.title, "Kennels");
  assert.is(stored?.text, "Kennels\n\nDogs live here.");
  assert.equal(parts.changes.at(-1), { collection: "docs", indexVersion: job.indexVersion });
  assert.equal(parts.catalog.require("docs").record.attributes, { lang: "string", year: "number", open: "boolean" });
});

ingesting("The same documents again cost nothing; a changed one replaces its rows in both stores", async ({ parts }) => {
  await parts.finished((await parts.ingest.accept("docs", many(40), signal)).id);
  const changes = parts.changes.length;
  const again = await parts.finished((await parts.ingest.accept("docs", many(40), signal)).id);
  assert.is(again.counts.unchanged, 40);
  assert.is(parts.changes.length, changes);
  const changed = await parts.finished((await parts.ingest.accept("docs", [document("d7", "something else")], signal)).id);
  assert.is(changed.counts.indexed, 1);
  const rows = await parts.rows("docs");
  assert.is(rows.length, 40);
  assert.is(rows.find((row) => row.documentId === "d7")?.text, "something else");
});

ingesting("Removals by id and by filter reach both stores and count what there was", async ({ parts }) => {
  const documents = many(30).map((one, place) => ({ ...one, attributes: { even: place % 2 === 0 } }));
  await parts.finished((await parts.ingest.accept("docs", documents, signal)).id);
  assert.is(await parts.ingest.deleteDocuments("docs", ["d0", "d1", "none"], signal), 2);
  assert.is(await parts.ingest.deleteMatching("docs", { type: "eq", key: "even", value: true }, signal), 14);
  assert.is(await parts.ingest.deleteMatching("docs", { type: "eq", key: "even", value: true }, signal), 0);
  assert.is((await parts.rows("docs")).length, 14);
  assert.is(await parts.documents.getDocument("docs", "d0", signal), null);
  const { record } = parts.catalog.require("docs");
  assert.equal([record.documents, record.chunks], [14, 14]);
});

ingesting("An outage of the vector store makes a job wait and fails no document", async ({ parts, hooks }) => {
  let failures = 0;
  hooks.replace = async () => {
    if (failures++ < 8) throw kennelError("unavailable", { message: "away" });
  };
  const job = await parts.finished((await parts.ingest.accept("docs", many(40), signal)).id);
  assert.is(job.status, "completed");
  assert.equal([job.counts.indexed, job.counts.failed], [40, 0]);
  assert.ok(failures > 8);
});

ingesting("A fault that no outage explains ends the job after a few attempts, and other jobs go on", async ({ parts, hooks }) => {
  hooks.replace = async () => {
    throw kennelError("internal");
  };
  const broken = await parts.finished((await parts.ingest.accept("docs", many(3), signal)).id);
  assert.is(broken.status, "failed");
  assert.is(broken.counts.failed, 3);
  const isTold = () => parts.ended.includes(`${broken.id} failed`);
  for (let turn = 0; turn < 10_000 && !isTold(); turn++) await parts.clock.flush();
  assert.ok(isTold(), "it is told of");
  hooks.replace = async () => {};
  const next = await parts.finished((await parts.ingest.accept("docs", many(3), signal)).id);
  assert.is(next.counts.indexed, 3);
});

ingesting("A cancelled job keeps whole batches and starts no other", async ({ parts, hooks }) => {
  const [reached, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  hooks.replace = async () => {
    reached.resolve();
    await released.promise;
  };
  const { id } = await parts.ingest.accept("docs", many(60), signal);
  await reached.promise;
  const cancelled = parts.ingest.cancel(id, signal);
  await parts.clock.flush();
  released.resolve();
  assert.is(await cancelled, true);
  const job = await parts.finished(id);
  assert.is(job.status, "cancelled");
  assert.equal([job.counts.indexed, job.counts.failed], [16, 44]);
  assert.is((await parts.rows("docs")).length, 16);
  assert.is(await parts.ingest.cancel(id, signal), false);
  await rejectsWith("not_found", parts.ingest.cancel("job_none", signal));
});

ingesting("A collection is deleted while its job runs, and nothing of it is left", async ({ parts }) => {
  const { id } = await parts.ingest.accept("docs", many(200), signal);
  assert.is(await parts.catalog.delete("docs", signal), true);
  assert.is(await parts.documents.getJob(id, signal), null);
  await rejectsWith("not_found", parts.ingest.accept("docs", many(1), signal));
  await parts.catalog.put("docs", SETTINGS, signal);
  await parts.finished((await parts.ingest.accept("docs", many(2), signal)).id);
  assert.is((await parts.rows("docs")).length, 2);
});

ingesting("A document's own vector is made a unit and stands for its first passage alone", async ({ parts }) => {
  const vector = new Float32Array(256);
  vector[3] = 4;
  const long = "One sentence of some length. ".repeat(200);
  await parts.finished((await parts.ingest.accept("docs", [document("own", long, { vector })], signal)).id);
  const rows = (await parts.rows("docs")).sort((a, b) => a.ordinal - b.ordinal);
  assert.ok(rows.length > 1);
  assert.is(rows[0]?.vector?.[3], 1);
  assert.ok(rows.slice(1).every((row) => row.vector === null));
});

ingesting("Bad documents are refused with the field's name before anything is stored", async ({ parts }) => {
  const cases: [IncomingDocument[], string, string][] = [
    [[document("", "x")], "invalid_request", "documents[0].id"],
    [[document("a", "x"), document("n\u0000ul", "x")], "invalid_request", "documents[1].id"],
    [[document("x".repeat(513), "x")], "invalid_request", "documents[0].id"],
    [[document("a", "x"), document("a", "y")], "invalid_request", "documents[1].id"],
    [[document("a", "x", { attributes: { "a b": 1 } })], "invalid_request", "documents[0].attributes.a b"],
    [[document("a", "x", { attributes: { a: Number.NaN } })], "invalid_request", "documents[0].attributes.a"],
    [
      [document("a", "x", { attributes: { a: 1 } }), document("b", "x", { attributes: { a: "1" } })],
      "conflict",
      "documents[1].attributes.a",
    ],
    [[document("a", "x", { vector: new Float32Array(3) })], "invalid_request", "documents[0].vector"],
    [[document("a", "x", { vector: new Float32Array(256) })], "invalid_request", "documents[0].vector"],
    [[document("a", "x".repeat(1_000_001))], "payload_too_large", "documents[0]"],
    [many(1001), "invalid_request", "documents"],
  ];
  for (const [documents, code, param] of cases) {
    assert.is((await rejectsWith(code, parts.ingest.accept("docs", documents, signal))).param, param);
  }
  assert.equal((await parts.documents.listDocuments("docs", { after: null, limit: 10 }, signal)).items, []);
});

ingesting("A file of JSON lines brings the documents on its lines", async ({ parts }) => {
  const lines = '{"id":"a","text":"first","attributes":{"n":1}}\n\n{"id":"b","title":"B","text":"second"}\n';
  const file = document("docs.jsonl", "", {
    attributes: { source: "file" },
    source: { kind: "file", mediaType: "application/x-ndjson", fileName: "docs.jsonl", bytes: Buffer.from(lines) },
  });
  const job = await parts.finished((await parts.ingest.accept("docs", [file], signal)).id);
  assert.is(job.counts.indexed, 2);
  assert.equal((await parts.documents.getDocument("docs", "a", signal))?.attributes, { source: "file", n: 1 });
  const broken = {
    ...file,
    source: { kind: "file" as const, mediaType: "", fileName: "x.jsonl", bytes: Buffer.from('{"id":"a","text":"x"}\n{') },
  };
  assert.is((await rejectsWith("invalid_request", parts.ingest.accept("docs", [broken], signal))).param, "x.jsonl line 2");
});

ingesting("A document that cannot be read fails alone, with its reason in the job", async ({ parts }) => {
  const bad = document("bad.pdf", "", {
    source: { kind: "file", mediaType: "application/pdf", fileName: "bad.pdf", bytes: Buffer.from("%PDF-1.7\nnothing of use") },
  });
  const job = await parts.finished((await parts.ingest.accept("docs", [...many(3), bad], signal)).id);
  assert.equal([job.status, job.counts.indexed, job.counts.failed], ["completed", 3, 1]);
  assert.is(job.failures[0]?.documentId, "bad.pdf");
  assert.match(job.failures[0]?.message ?? "", /PDF/);
});

ingesting("Jobs beyond the limit are refused with overloaded and a time to come back", async () => {
  const held = Promise.withResolvers<void>();
  const parts = await openIngest({
    wrapVectors: (store) => switchable(store, { replace: () => held.promise }),
    options: { maxOpenJobs: 1 },
  });
  await parts.catalog.put("docs", SETTINGS, signal);
  const first = await parts.ingest.accept("docs", many(1), signal);
  const error = await rejectsWith("overloaded", parts.ingest.accept("docs", many(2), signal));
  assert.ok((error.retryAfterMs ?? 0) > 0);
  held.resolve();
  await parts.finished(first.id);
  await parts.close();
});

ingesting("What a process left to optimise is known to the next one once it has looked at the index", async () => {
  const folder = mkdtempSync(join(tmpdir(), "kennel-ingest-"));
  try {
    const first = await openIngest({ folder });
    await first.catalog.put("kept", SETTINGS, signal);
    await first.finished((await first.ingest.accept("kept", many(60), signal)).id);
    assert.equal(await first.ingest.changedCollections(signal), []);
    await first.finished((await first.ingest.accept("kept", [document("late", "one more")], signal)).id);
    assert.equal(await first.ingest.changedCollections(signal), ["kept"], "too little for its job to optimise");
    await first.close();

    const second = await openIngest({ folder });
    assert.is(await second.ingest.repairIfIncomplete("kept", signal), false);
    assert.equal(await second.ingest.changedCollections(signal), ["kept"]);
    await second.ingest.optimize("kept", signal);
    assert.equal(await second.ingest.changedCollections(signal), []);
    await second.close();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

ingesting.run();
