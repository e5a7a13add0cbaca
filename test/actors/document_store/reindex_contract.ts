import * as assert from "uvu/assert";
import type { ParsedDocument, SourceDocument } from "../../../actors/document_store/document_record.ts";
import type { DocumentStore } from "../../../actors/document_store/document_store.ts";
import { rejectsWith, type Test } from "./document_store_contract.ts";
import { HELD, PLAN, parsed, SETTINGS, SWITCHED, textDocument } from "./documents.ts";

const signal = new AbortController().signal;
const BUILD = { language: "german", embedding: SETTINGS.embedding, chunking: { ...SETTINGS.chunking, maxTokens: 64 } };
const NONE = { indexed: 0, skipped: 0, failed: 0, chunks: 0, failures: [] };
const WHOLE = { limit: 100, maxBytes: 1_000_000 };

/** What building an index anew needs of every document store. */
export function reindexTests(test: Test): void {
  test("A reindex is a job with a build beside the active one, one at a time, and both outlive the store", async ({ under, store }) => {
    await index(store, [textDocument("one", "first")]);
    const job = await store.beginReindex("docs", "reindex", BUILD, null, true, signal);
    assert.is(job.kind, "reindex");
    assert.is(job.status, "queued");
    assert.is(job.counts.total, 1);
    await rejectsWith("conflict", store.beginReindex("docs", "other", BUILD, null, false, signal));
    assert.is(await store.getJob("other", signal), null);
    const again = await under.reopen();
    assert.equal(
      (await again.openJobs(signal)).map(({ id, kind }) => [id, kind]),
      [["reindex", "reindex"]],
    );
    const record = await again.getCollection("docs", signal);
    assert.is(record?.version, 1);
    assert.is(record?.settings.language, "english");
    assert.equal(record?.versions, [{ kind: "building", version: 2, build: BUILD, jobId: "reindex", through: null, isRepair: true }]);
    assert.equal((await again.listCollections({ after: null, limit: 10 }, signal)).items[0]?.versions, record?.versions);
  });

  test("Documents to build an index from come once each, in order, within number and bytes, without those that wait or leave", async ({
    store,
    clock,
  }) => {
    const ids = ["b", "a", "ÿ", "\u{1F600}", "c"];
    const documents = ids.map((id) =>
      textDocument(id, "x".repeat(100), { attributes: { lang: "en" }, principals: ["team"], vector: new Float32Array([0.6, 0.8]) }),
    );
    await index(store, documents);
    await clock.advance(1_000);
    await store.acceptDocuments("docs", "open", [textDocument("waits", "text"), textDocument("b", "another")], {}, signal);
    await store.markDeleting("docs", ["c"], signal);
    const order = ["a", "ÿ", "\u{1F600}"];
    for (const [limit, maxBytes] of [
      [100, 1_000_000],
      [1, 1_000_000],
      [100, 150],
      [2, 1],
    ] as const) {
      const sources = await readAll((after) => store.documentsToParse("docs", { after, limit, maxBytes }, signal), limit);
      assert.equal(
        sources.map(({ id }) => id),
        order,
      );
      const chunked = await readAll((after) => store.chunkedDocuments("docs", 1, { after, limit, maxBytes }, signal), limit);
      assert.equal(
        chunked.map(({ id }) => id),
        order,
      );
    }
    const [first] = (await store.documentsToParse("docs", { after: null, ...WHOLE }, signal)).items;
    assert.equal(first, { ...documents[1], updatedAtMs: clock.wallMs() - 1_000 });
  });

  test("Stored chunks come back as they were cut, with their parents, and only those of the build asked for", async ({ store }) => {
    const document = textDocument("one", "Grüße aus dem Norden", { attributes: { lang: "de" } });
    const cut = parsed(document, {}, "the parent");
    await index(store, [document], [cut]);
    const [read] = (await store.chunkedDocuments("docs", 1, { after: null, ...WHOLE }, signal)).items;
    assert.equal(read?.parsed, cut);
    assert.equal(read?.attributes, document.attributes);
    assert.is(read?.contentHash, document.contentHash);
    const bare = textDocument("two", "");
    const { title } = bare;
    const titled = { id: "two#0", ordinal: 0, parentId: null, text: title, indexText: title, startOffset: 0, endOffset: 0 };
    const alone = parsed(bare, { chunks: [titled] });
    await index(store, [bare], [alone], "second");
    assert.equal((await store.chunkedDocuments("docs", 1, { after: "one", ...WHOLE }, signal)).items[0]?.parsed, alone);
    const [none] = (await store.chunkedDocuments("docs", 2, { after: null, ...WHOLE }, signal)).items;
    assert.equal(none?.parsed.chunks, []);
    assert.equal(none?.parsed.parents, []);
  });

  test("Progress is kept with the build and counted once for each page", async ({ under, store }) => {
    await index(store, [textDocument("a", "first"), textDocument("b", "second"), textDocument("c", "third")]);
    await store.beginReindex("docs", "reindex", BUILD, null, false, signal);
    await store.startJob("reindex", signal);
    const failures = [{ documentId: "b", message: "cannot be read" }];
    const page = { through: "b", indexed: 1, skipped: 0, failed: 1, chunks: 3, failures };
    await store.advanceReindex("reindex", page, signal);
    await store.advanceReindex("reindex", page, signal);
    const again = await under.reopen();
    assert.is(throughOf(await again.getCollection("docs", signal)), "b");
    const job = await again.getJob("reindex", signal);
    assert.is(job?.status, "running");
    assert.equal(job?.counts, { total: 3, indexed: 1, unchanged: 0, skipped: 0, failed: 1, chunks: 3 });
    assert.equal(job?.failures, failures);
  });

  test("A finished build becomes the active one with its settings and counts, in one step and once", async ({ store, clock }) => {
    const [whole, lost] = [textDocument("a", "first"), textDocument("b", "second")];
    await index(store, [whole, lost]);
    await store.beginReindex("docs", "reindex", BUILD, null, false, signal);
    const one = parsed(whole, {}, "new parent").chunks[0];
    assert.ok(one);
    const chunks = [one, { ...one, id: "a#1", ordinal: 1 }];
    await store.putChunks("docs", 2, [parsed(whole, { chunks }, "new parent")], signal);
    await store.updateCollection("docs", { ...SETTINGS, pinned: true }, signal);
    await clock.advance(1_000);
    const record = await store.completeReindex("reindex", SWITCHED, 0, signal);
    assert.is(record.version, 2);
    assert.is(record.indexVersion, 2);
    assert.is(record.chunks, 2);
    assert.equal(record.settings, { ...SETTINGS, ...BUILD, pinned: true });
    const { language, embedding, chunking } = SETTINGS;
    assert.equal(record.versions, [{ kind: "retired", version: 1, build: { language, embedding, chunking }, retiredAtMs: clock.wallMs() }]);
    assert.equal(await store.completeReindex("reindex", SWITCHED, 0, signal), record, "again it changes nothing");
    assert.is((await store.getJob("reindex", signal))?.status, "completed");
    assert.is((await store.getJob("reindex", signal))?.indexVersion, 2);
    assert.is((await store.getDocument("docs", "a", signal))?.chunks, 2);
    assert.is((await store.getDocument("docs", "b", signal))?.state, "failed", "it has no chunk any more");
  });

  test("A retired build keeps its chunks until it is dropped, and stays while an alias pins it", async ({ store }) => {
    const document = textDocument("a", "first");
    await index(store, [document], [parsed(document, {}, "old parent")]);
    await store.beginReindex("docs", "reindex", BUILD, null, false, signal);
    await rejectsWith("conflict", store.dropVersion("docs", 2, signal));
    await store.putChunks("docs", 2, [parsed(document, {}, "new parent")], signal);
    await store.completeReindex("reindex", SWITCHED, 0, signal);
    await rejectsWith("conflict", store.dropVersion("docs", 2, signal));
    await store.putAlias({ alias: "before", collection: "docs", version: 1 }, signal);
    await rejectsWith("conflict", store.dropVersion("docs", 1, signal));
    assert.is((await store.getParents("docs", 1, ["a#p0"], signal))[0]?.text, "old parent");
    await store.deleteAlias("before", signal);
    await store.dropVersion("docs", 1, signal);
    await store.dropVersion("docs", 1, signal);
    assert.equal((await store.getCollection("docs", signal))?.versions, []);
    assert.equal(await store.getParents("docs", 1, ["a#p0"], signal), []);
    assert.is((await store.getParents("docs", 2, ["a#p0"], signal))[0]?.text, "new parent");
    assert.is((await store.chunkedDocuments("docs", 2, { after: null, ...WHOLE }, signal)).items[0]?.parsed.chunks.length, 1);
  });

  test("A reindex that is cancelled or fails leaves the active build and retires its own, and another may begin", async ({ store }) => {
    await index(store, [textDocument("a", "first")]);
    await store.beginReindex("docs", "first", BUILD, null, false, signal);
    assert.is(await store.cancelJob("first", signal), true);
    await store.beginReindex("docs", "second", BUILD, null, false, signal);
    await store.finishJob("second", "failed", null, signal);
    await store.advanceReindex("second", { through: "a", ...NONE }, signal);
    const error = await rejectsWith("conflict", store.completeReindex("second", SWITCHED, 0, signal));
    assert.is(error.param, "id");
    const record = await store.getCollection("docs", signal);
    assert.is(record?.version, 1);
    assert.equal(
      record?.versions.map((version) => [version.kind, version.version, version.kind === "retired" && version.retiredAtMs]),
      [
        ["retired", 2, 0],
        ["retired", 3, 0],
      ],
    );
    assert.is((await store.getDocument("docs", "a", signal))?.state, "indexed");
  });
}

/** What keeping a build beside the active one needs of every document store. */
export function switchTests(test: Test): void {
  test("What is to become of a build is kept while it is made, and what became of it afterwards", async ({ under, store }) => {
    await index(store, [textDocument("a", "first")]);
    await store.beginReindex("docs", "reindex", BUILD, PLAN, false, signal);
    const again = await under.reopen();
    assert.equal(await again.reindexPlan("reindex", signal), PLAN);
    assert.is((await again.getJob("reindex", signal))?.outcome, null);
    const held = await again.holdReindex("reindex", HELD, 5_000, signal);
    assert.equal([held.version, held.indexVersion, held.settings.language], [1, 1, "english"]);
    const standby = { kind: "standby", version: 2, build: BUILD, jobId: "reindex", wasActive: false, keepUntilMs: 5_000 };
    assert.equal(held.versions, [standby]);
    assert.equal(await again.holdReindex("reindex", HELD, 9_000, signal), held, "again it changes nothing");
    const third = await under.reopen();
    const job = await third.getJob("reindex", signal);
    assert.equal([job?.status, job?.indexVersion, job?.outcome], ["completed", 1, HELD]);
    assert.is(await third.reindexPlan("reindex", signal), null);
    assert.equal((await third.listCollections({ after: null, limit: 10 }, signal)).items[0]?.versions, [standby]);
  });

  test("A switch exchanges the active build and the one kept up, and back, with the counts of each", async ({ store }) => {
    const [both, lost] = [textDocument("a", "first"), textDocument("b", "second")];
    await index(store, [both, lost]);
    await store.beginReindex("docs", "reindex", BUILD, PLAN, false, signal);
    await store.putChunks("docs", 2, [parsed(both)], signal);
    await store.holdReindex("reindex", HELD, null, signal);
    await rejectsWith("conflict", store.dropVersion("docs", 2, signal));
    const there = await store.switchVersion("docs", 2, 7_000, signal);
    assert.equal([there.version, there.chunks, there.indexVersion, there.settings.language], [2, 1, 2, "german"]);
    const { language, embedding, chunking } = SETTINGS;
    const before = { version: 1, build: { language, embedding, chunking }, jobId: "reindex", wasActive: true };
    assert.equal(there.versions, [{ kind: "standby", ...before, keepUntilMs: 7_000 }]);
    assert.is((await store.getDocument("docs", "b", signal))?.state, "failed", "it has no chunk in this build");
    assert.equal(await store.switchVersion("docs", 2, null, signal), there, "it is the active one");
    const back = await store.switchVersion("docs", 1, 0, signal);
    assert.equal([back.version, back.chunks, back.indexVersion, back.settings], [1, 2, 3, SETTINGS]);
    const found = await store.getDocument("docs", "b", signal);
    assert.equal([found?.state, found?.failure], ["indexed", null]);
    assert.is(back.versions[0]?.kind, "retired", "it was not to be kept");
    await rejectsWith("conflict", store.switchVersion("docs", 2, null, signal));
    await rejectsWith("conflict", store.switchVersion("docs", 3, null, signal));
    await rejectsWith("not_found", store.switchVersion("other", 1, null, signal));
  });

  test("A build is kept up until it is retired or another reindex begins; one that was never active is abandoned", async ({
    store,
    clock,
  }) => {
    await index(store, [textDocument("a", "first")]);
    await store.beginReindex("docs", "one", BUILD, null, false, signal);
    await store.completeReindex("one", SWITCHED, null, signal);
    await store.retireVersion("docs", 2, signal);
    assert.is((await store.getCollection("docs", signal))?.version, 2, "the active one stays");
    await store.beginReindex("docs", "two", BUILD, null, false, signal);
    const kinds = async () =>
      ((await store.getCollection("docs", signal))?.versions ?? []).map((each) => [
        each.version,
        each.kind,
        each.kind === "retired" ? each.retiredAtMs : null,
      ]);
    assert.equal(await kinds(), [
      [1, "retired", clock.wallMs()],
      [3, "building", null],
    ]);
    await store.holdReindex("two", HELD, null, signal);
    await store.retireVersion("docs", 3, signal);
    await store.retireVersion("docs", 3, signal);
    assert.equal((await kinds())[1], [3, "retired", 0]);
    await store.dropVersion("docs", 3, signal);
    await store.beginReindex("docs", "three", BUILD, null, false, signal);
    assert.equal((await kinds())[1], [4, "building", null], "no number is used again");
  });
}

async function index(
  store: DocumentStore,
  documents: readonly SourceDocument[],
  cut?: readonly ParsedDocument[],
  job = "ingest",
): Promise<void> {
  const done = cut ?? documents.map((document) => parsed(document));
  await store.acceptDocuments("docs", job, documents, {}, signal);
  await store.putChunks("docs", 1, done, signal);
  await store.markIndexed(job, "docs", done, signal);
  await store.finishJob(job, "completed", null, signal);
}

async function readAll<Item>(
  read: (after: string | null) => Promise<{ readonly items: readonly Item[]; readonly next: string | null }>,
  limit: number,
): Promise<Item[]> {
  const items: Item[] = [];
  let after: string | null = null;
  do {
    const page = await read(after);
    assert.ok(page.items.length <= limit && (page.items.length > 0 || page.next === null));
    items.push(...page.items);
    after = page.next;
  } while (after !== null);
  return items;
}

function throughOf(record: Awaited<ReturnType<DocumentStore["getCollection"]>>): string | null {
  const [version] = record?.versions ?? [];
  return version?.kind === "building" ? version.through : null;
}
