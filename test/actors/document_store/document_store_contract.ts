import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { SourceDocument } from "../../../actors/document_store/document_record.ts";
import type { DocumentStore } from "../../../actors/document_store/document_store.ts";
import { type AttributeValue, type Filter, matches } from "../../../actors/vector_store/filter.ts";
import { KennelError } from "../../../runtime/errors.ts";
import { ContractRecord, type Deviation } from "../../support/contract_record.ts";
import { type ManualClock, manualClock } from "../../support/manual_clock.ts";
import { parsed, SETTINGS, textDocument } from "./documents.ts";
import { reindexTests, switchTests } from "./reindex_contract.ts";

export interface StoreUnderTest {
  readonly store: DocumentStore;
  /** Closes the store and opens it again on the same data. */
  reopen(): Promise<DocumentStore>;
  close(): Promise<void>;
}

export interface ContractOptions {
  open(clock: ManualClock): Promise<StoreUnderTest>;
  /** Deviations of an adapter, each tested in the adapter's own file. */
  readonly skip: readonly Deviation[];
}

const signal = new AbortController().signal;

/** What every document store does. The caller calls `.run()` on what it gets. */
export function documentStoreContract(adapter: string, options: ContractOptions) {
  const contract = suite<{ under: StoreUnderTest; store: DocumentStore; clock: ManualClock }>(`document store contract: ${adapter}`);
  const record = new ContractRecord("document store", adapter, options.skip);
  const test: Test = (name, body) => {
    if (!record.isDeviation(name)) contract(name, record.noted(name, body));
  };
  contract.before.each(async (context) => {
    context.clock = manualClock();
    context.under = await options.open(context.clock);
    context.store = context.under.store;
    await context.store.createCollection("docs", SETTINGS, signal);
  });
  contract.after.each((context) => context.under.close());
  contract.after(() => record.write());

  collectionTests(test);
  jobTests(test);
  documentTests(test);
  reindexTests(test);
  switchTests(test);
  return contract;
}

export type Test = (
  name: string,
  body: (context: { under: StoreUnderTest; store: DocumentStore; clock: ManualClock }) => Promise<void>,
) => void;

function collectionTests(test: Test): void {
  test("A collection is read as it was made, and a second one of its name is a conflict", async ({ store, clock }) => {
    const record = await store.getCollection("docs", signal);
    assert.equal(record, {
      name: "docs",
      settings: SETTINGS,
      attributes: {},
      version: 1,
      versions: [],
      indexVersion: 0,
      documents: 0,
      chunks: 0,
      createdAtMs: clock.wallMs(),
      updatedAtMs: clock.wallMs(),
    });
    await rejectsWith("conflict", store.createCollection("docs", SETTINGS, signal));
  });

  test("Collections are listed by name, page after page, each once", async ({ store }) => {
    for (const name of ["b", "a", "d", "c"]) await store.createCollection(name, SETTINGS, signal);
    const names: string[] = [];
    let after: string | null = null;
    do {
      const page = await store.listCollections({ after, limit: 2 }, signal);
      names.push(...page.items.map((record) => record.name));
      after = page.next;
    } while (after !== null);
    assert.equal(names, ["a", "b", "c", "d", "docs"]);
  });

  test("A collection whose removal has begun is found by nothing, keeps its name, and is gone after its end", async ({ store }) => {
    await store.acceptDocuments("docs", "job", [textDocument("one", "text")], {}, signal);
    await store.putAlias({ alias: "latest", collection: "docs", version: null }, signal);
    assert.is((await store.beginDeleteCollection("docs", signal))?.name, "docs");
    assert.is(await store.getCollection("docs", signal), null);
    assert.equal((await store.listCollections({ after: null, limit: 10 }, signal)).items, []);
    assert.equal(await store.openJobs(signal), []);
    await rejectsWith("not_found", store.acceptDocuments("docs", "other", [], {}, signal));
    await rejectsWith("conflict", store.createCollection("docs", SETTINGS, signal));
    assert.equal(
      (await store.deletingCollections(10, signal)).map((record) => record.name),
      ["docs"],
    );
    assert.is(await store.deleteCollection("docs", signal), true);
    assert.is(await store.deleteCollection("docs", signal), false);
    assert.equal(await store.listAliases(signal), []);
    assert.is(await store.getJob("job", signal), null);
    assert.is((await store.createCollection("docs", SETTINGS, signal)).documents, 0);
  });

  test("An alias moves from one collection to another and goes", async ({ store }) => {
    await store.createCollection("other", SETTINGS, signal);
    await store.putAlias({ alias: "latest", collection: "docs", version: 1 }, signal);
    await store.putAlias({ alias: "latest", collection: "other", version: null }, signal);
    assert.equal(await store.listAliases(signal), [{ alias: "latest", collection: "other", version: null }]);
    await rejectsWith("not_found", store.putAlias({ alias: "x", collection: "none", version: null }, signal));
    assert.is(await store.deleteAlias("latest", signal), true);
    assert.is(await store.deleteAlias("latest", signal), false);
  });

  test("Recently used collections come newest first", async ({ store }) => {
    for (const name of ["a", "b"]) await store.createCollection(name, SETTINGS, signal);
    await store.noteUse(
      [
        { collection: "a", atMs: 20, count: 3 },
        { collection: "docs", atMs: 10, count: 1 },
        { collection: "gone", atMs: 99, count: 1 },
      ],
      signal,
    );
    await store.noteUse([{ collection: "a", atMs: 5, count: 1 }], signal);
    assert.equal(await store.recentlyUsed(5, signal), ["a", "docs"]);
    assert.equal(await store.recentlyUsed(1, signal), ["a"]);
  });
}

function jobTests(test: Test): void {
  test("A job goes from queued to completed, and its counts add up", async ({ store, clock }) => {
    const [one, two, three] = [textDocument("one", "first"), textDocument("two", ""), textDocument("three", "third")];
    const documents = [one, two, three];
    const accepted = await store.acceptDocuments("docs", "job", documents, { year: "number" }, signal);
    assert.is(accepted.status, "queued");
    assert.is(accepted.counts.total, 3);
    await store.startJob("job", signal);
    const pending = await store.pendingDocuments("job", 10, 1_000_000, signal);
    assert.equal(pending, documents);
    const done = [parsed(one), parsed(two), parsed(three, { chunks: [], failure: "cannot be read" })];
    await store.putChunks("docs", 1, done, signal);
    assert.is((await store.pendingDocuments("job", 10, 1_000_000, signal)).length, 3, "stored chunks do not make a document done");
    assert.is(await store.markIndexed("job", "docs", done, signal), 1);
    assert.equal(await store.pendingDocuments("job", 10, 1_000_000, signal), []);
    const finished = await store.finishJob("job", "completed", null, signal);
    assert.equal(finished.counts, { total: 3, indexed: 1, unchanged: 0, skipped: 1, failed: 1, chunks: 1 });
    assert.equal(finished.failures, [{ documentId: "three", message: "cannot be read" }]);
    assert.is(finished.indexVersion, 1);
    assert.is(finished.finishedAtMs, clock.wallMs());
    assert.equal(await store.finishJob("job", "failed", null, signal), finished, "finishing again changes nothing");
    const record = await store.getCollection("docs", signal);
    assert.is(record?.documents, 3);
    assert.is(record?.chunks, 1);
    assert.equal(record?.attributes, { year: "number" });
  });

  test("Hundreds of documents are indexed and replaced in one job", async ({ store }) => {
    const ids = Array.from({ length: 220 }, (_, at) => `d${String(at).padStart(3, "0")}`);
    for (const [jobId, text] of [["first", "as it was"] as const, ["second", "as it is"] as const]) {
      const documents = ids.map((id) => textDocument(id, text));
      await store.acceptDocuments("docs", jobId, documents, {}, signal);
      await store.putChunks("docs", 1, documents.map((document) => parsed(document)), signal); // biome-ignore format: one thought
      await store.markIndexed(jobId, "docs", documents.map((document) => parsed(document)), signal); // biome-ignore format: one thought
      const finished = await store.finishJob(jobId, "completed", null, signal);
      assert.equal(finished.counts, { total: 220, indexed: 220, unchanged: 0, skipped: 0, failed: 0, chunks: 220 });
    }
    const collection = await store.getCollection("docs", signal);
    assert.equal([collection?.documents, collection?.chunks], [220, 220]);
    assert.is((await store.getDocument("docs", "d219", signal))?.contentHash, textDocument("d219", "as it is").contentHash);
  });

  test("A job that is given up says why, with each document that it has left", async ({ store }) => {
    const documents = ["one", "two"].map((id) => textDocument(id, "text"));
    await store.acceptDocuments("docs", "job", documents, {}, signal);
    await store.putChunks("docs", 1, [parsed(documents[0] as SourceDocument)], signal);
    await store.markIndexed("job", "docs", [parsed(documents[0] as SourceDocument)], signal);
    const failed = await store.finishJob("job", "failed", "the model is gone", signal);
    assert.equal([failed.status, failed.counts.indexed, failed.counts.failed], ["failed", 1, 1]);
    assert.equal(failed.failures, [{ documentId: "two", message: "Its job was given up: the model is gone" }]);
    assert.is((await store.getDocument("docs", "two", signal))?.failure, "Its job was given up: the model is gone");
    assert.equal(await store.getJob("job", signal), failed);
  });

  test("Pending documents come in order, within the limits of number and bytes, and at least one", async ({ store }) => {
    const documents = ["a", "b", "c", "d"].map((id) => textDocument(id, "x".repeat(100)));
    await store.acceptDocuments("docs", "job", documents, {}, signal);
    const ids = async (limit: number, bytes: number) => (await store.pendingDocuments("job", limit, bytes, signal)).map(({ id }) => id);
    assert.equal(await ids(3, 1_000_000), ["a", "b", "c"]);
    assert.equal(await ids(10, 250), ["a", "b"]);
    assert.equal(await ids(10, 1), ["a"]);
  });

  test("The same id with the same hash is counted as unchanged and not done again", async ({ store }) => {
    const document = textDocument("one", "text");
    await indexAll(store, "first", [document]);
    const job = await store.acceptDocuments("docs", "second", [document], {}, signal);
    assert.is(job.counts.unchanged, 1);
    assert.equal(await store.pendingDocuments("second", 10, 1000, signal), []);
  });

  test("A document that is not visible is neither replaced, with anything of that call, nor marked", async ({ store }) => {
    const of = (id: string, text: string, principals: readonly string[]) => ({ ...textDocument(id, text), principals });
    await indexAll(store, "first", [of("ann", "hers", ["user:ann"]), of("bob", "his", ["user:bob"]), of("open", "all", [])]);
    const ann = { type: "visible", principals: ["user:ann"], isOpen: true } as const;
    const strict = { ...ann, isOpen: false };
    const fresh = textDocument("fresh", "new");
    const refused = (id: string, visible: typeof strict | typeof ann) =>
      rejectsWith("forbidden", store.acceptDocuments("docs", `of ${id}`, [fresh, textDocument(id, "taken")], {}, signal, visible));
    await refused("bob", ann);
    await refused("open", strict);
    // Even what would change nothing says that it is there.
    await rejectsWith("forbidden", store.acceptDocuments("docs", "same", [of("bob", "his", ["user:bob"])], {}, signal, ann));
    assert.is(await store.getDocument("docs", "fresh", signal), null);
    assert.is(await store.getJob("of bob", signal), null);
    assert.is((await store.getDocument("docs", "bob", signal))?.state, "indexed");
    assert.is((await store.getCollection("docs", signal))?.documents, 3);
    assert.is((await store.acceptDocuments("docs", "own", [of("ann", "hers now", ["user:bob"])], {}, signal, ann)).counts.total, 1);
    await refused("ann", ann);
    assert.equal([...(await store.markDeleting("docs", ["open", "bob", "none"], signal, strict))], []);
    assert.equal([...(await store.markDeleting("docs", ["open", "bob", "none"], signal, ann))], ["open"]);
    assert.is((await store.acceptDocuments("docs", "again", [textDocument("open", "again")], {}, signal, strict)).counts.total, 1);
  });

  test("A later job takes over a document that still waits, and an old result does not settle it", async ({ store }) => {
    const [old, fresh] = [textDocument("one", "old"), textDocument("one", "fresh")];
    await store.acceptDocuments("docs", "first", [old], {}, signal);
    await store.acceptDocuments("docs", "second", [fresh], {}, signal);
    assert.equal(await store.pendingDocuments("first", 10, 1000, signal), []);
    assert.is((await store.getJob("first", signal))?.counts.skipped, 1);
    await store.putChunks("docs", 1, [parsed(old)], signal);
    await store.markIndexed("first", "docs", [parsed(old)], signal);
    assert.is((await store.getDocument("docs", "one", signal))?.state, "pending");
    assert.is((await store.getDocument("docs", "one", signal))?.text, "fresh");
    assert.equal(await store.pendingDocuments("second", 10, 1000, signal), [fresh]);
  });

  test("A document that failed is tried again when it is sent again", async ({ store }) => {
    const document = textDocument("one", "text");
    await store.acceptDocuments("docs", "first", [document], {}, signal);
    await store.markIndexed("first", "docs", [parsed(document, { chunks: [], failure: "no" })], signal);
    const again = await store.acceptDocuments("docs", "second", [document], {}, signal);
    assert.is(again.counts.unchanged, 0);
    assert.is((await store.pendingDocuments("second", 10, 1000, signal)).length, 1);
  });

  test("An attribute of another type is a conflict that names the key and stores nothing", async ({ store }) => {
    await store.acceptDocuments("docs", "first", [], { year: "number" }, signal);
    const error = await rejectsWith(
      "conflict",
      store.acceptDocuments("docs", "second", [textDocument("one", "text")], { year: "string" }, signal),
    );
    assert.is(error.param, "attributes.year");
    assert.is(await store.getJob("second", signal), null);
    assert.is(await store.getDocument("docs", "one", signal), null);
  });

  test("A cancelled job leaves what is indexed and marks the rest as failed", async ({ store }) => {
    const [done, left] = [textDocument("done", "text"), textDocument("left", "text")];
    await store.acceptDocuments("docs", "job", [done, left], {}, signal);
    await store.markIndexed("job", "docs", [parsed(done)], signal);
    assert.is(await store.cancelJob("job", signal), true);
    assert.is(await store.cancelJob("job", signal), false);
    assert.equal(await store.pendingDocuments("job", 10, 1000, signal), []);
    assert.is((await store.getJob("job", signal))?.status, "cancelled");
    assert.is((await store.getDocument("docs", "done", signal))?.state, "indexed");
    assert.is((await store.getDocument("docs", "left", signal))?.state, "failed");
    await rejectsWith("not_found", store.cancelJob("none", signal));
  });

  test("Open jobs outlive the store, oldest first, with their documents", async ({ under, store }) => {
    const document = textDocument("one", "text", {
      vector: new Float32Array([0.25, -1, 3]),
      principals: ["team"],
      attributes: { lang: "en", year: 2024, open: true },
      source: { kind: "file", mediaType: "application/pdf", fileName: "a.pdf", bytes: new Uint8Array([0, 1, 255]) },
    });
    await store.acceptDocuments("docs", "first", [document], {}, signal);
    await store.acceptDocuments("docs", "second", [textDocument("two", "b")], {}, signal);
    await store.startJob("second", signal);
    const again = await under.reopen();
    const open = await again.openJobs(signal);
    assert.equal(
      open.map((job) => [job.id, job.status]),
      [
        ["first", "queued"],
        ["second", "running"],
      ],
    );
    assert.equal(await again.pendingDocuments("first", 10, 1000, signal), [document]);
  });

  test("Finished jobs beyond the newest few, or beyond an age, are pruned; open ones never", async ({ store, clock }) => {
    for (const id of ["a", "b", "c", "open"]) await store.acceptDocuments("docs", id, [textDocument(id, id)], {}, signal);
    for (const id of ["a", "b", "c"]) await store.finishJob(id, "completed", null, signal);
    assert.is(await store.pruneJobs(0, 2, 100, signal), 1);
    assert.is(await store.getJob("a", signal), null);
    assert.is(await store.pruneJobs(clock.wallMs() + 1, 2, 1, signal), 1);
    assert.is(await store.pruneJobs(clock.wallMs() + 1, 2, 100, signal), 1);
    assert.is((await store.getJob("open", signal))?.status, "queued");
  });
}

function documentTests(test: Test): void {
  test("Ids of any Unicode come back as they were and are listed in order of code points", async ({ store }) => {
    const ids = ["a/b", "ÿ", "日本", "\u{1F600}", "a'b\"; DROP TABLE documents", "..", " ", "%"];
    await indexAll(
      store,
      "job",
      ids.map((id) => textDocument(id, "text")),
    );
    const listed: string[] = [];
    let after: string | null = null;
    do {
      const page = await store.listDocuments("docs", { after, limit: 3 }, signal);
      listed.push(...page.items.map((document) => document.id));
      after = page.next;
    } while (after !== null);
    assert.equal(listed, [...ids].sort(byCodePoint));
    for (const id of ids) assert.is((await store.getDocument("docs", id, signal))?.id, id);
  });

  test("A replaced document has its new text, chunks and parents and none of the old", async ({ store }) => {
    const old = textDocument("one", "old text");
    await indexAll(store, "first", [old], "old parent");
    const fresh = textDocument("one", "fresh");
    await indexAll(store, "second", [fresh], "fresh parent");
    assert.equal(await store.getParents("docs", 1, ["one#p0", "none"], signal), [{ id: "one#p0", text: "fresh parent", principals: [] }]);
    assert.is((await store.getDocument("docs", "one", signal))?.text, "fresh");
    const record = await store.getCollection("docs", signal);
    assert.is(record?.documents, 1);
    assert.is(record?.chunks, 1);
    assert.is(record?.indexVersion, 2);
  });

  test("A document marked as leaving is not found, is finished after a restart, and leaves nothing", async ({ under, store }) => {
    await indexAll(store, "job", [textDocument("one", "a"), textDocument("two", "b")], "parent");
    assert.equal(await store.markDeleting("docs", ["one", "none"], signal), ["one"]);
    assert.is(await store.getDocument("docs", "one", signal), null);
    const again = await under.reopen();
    assert.equal(await again.deletingDocuments(10, signal), [{ collection: "docs", id: "one" }]);
    assert.is(await again.removeDocuments("docs", ["one", "two"], signal), 2);
    assert.equal(await again.deletingDocuments(10, signal), []);
    assert.is((await again.getDocument("docs", "two", signal))?.state, "indexed", "what was not marked stays");
    assert.equal(await again.getParents("docs", 1, ["one#p0"], signal), []);
    const record = await again.getCollection("docs", signal);
    assert.is(record?.documents, 1);
    assert.is(record?.chunks, 1);
    assert.is(await again.removeDocuments("docs", ["one"], signal), 2, "a removal done twice moves nothing");
  });

  test("A document sent again while it is leaving stays", async ({ store }) => {
    const document = textDocument("one", "text");
    await indexAll(store, "first", [document]);
    await store.markDeleting("docs", ["one"], signal);
    const job = await store.acceptDocuments("docs", "second", [document], {}, signal);
    assert.is(job.counts.unchanged, 0);
    await store.removeDocuments("docs", ["one"], signal);
    assert.is((await store.getDocument("docs", "one", signal))?.state, "pending");
  });

  test("A job counts a document that was removed before it came to it as skipped", async ({ store }) => {
    await store.acceptDocuments("docs", "job", [textDocument("one", "text")], {}, signal);
    await store.markDeleting("docs", ["one"], signal);
    assert.equal(await store.pendingDocuments("job", 10, 1000, signal), []);
    assert.is((await store.finishJob("job", "completed", null, signal)).counts.skipped, 1);
  });

  test("Documents last changed before a moment are expired", async ({ store, clock }) => {
    await indexAll(store, "first", [textDocument("old", "a")]);
    await clock.advance(1000);
    await indexAll(store, "second", [textDocument("new", "b")]);
    assert.equal(await store.expiredDocuments("docs", clock.wallMs(), 10, signal), ["old"]);
    assert.equal(await store.expiredDocuments("docs", clock.wallMs() + 1, 10, signal), ["old", "new"]);
    assert.equal(await store.expiredDocuments("docs", clock.wallMs() + 1, 1, signal), ["old"]);
  });

  test("A filter finds the documents that its meaning says, whatever the values are", async ({ store }) => {
    const corpus = HOSTILE.flatMap((text, place) => [
      textDocument(`s${place}`, "t", { attributes: { s: text, n: place - 3, b: place % 2 === 0 } }),
      textDocument(`n${place}`, "t", { attributes: place % 3 === 0 ? {} : { n: place / 7 } }),
    ]);
    await store.acceptDocuments("docs", "job", corpus, { s: "string", n: "number", b: "boolean" }, signal);
    await fc.assert(
      fc.asyncProperty(filters, async (filter) => {
        const found = await store.matchDocuments("docs", filter, { after: null, limit: 1000 }, signal);
        const expected = corpus.filter((document) => matches(filter, document.attributes)).map((document) => document.id);
        assert.equal(found.items, expected.sort(byCodePoint));
      }),
      { numRuns: 150 },
    );
    const page = await store.matchDocuments("docs", { type: "ne", key: "n", value: 1e9 }, { after: null, limit: 3 }, signal);
    assert.is(page.items.length, 3);
    assert.is(page.next, page.items[2]);
  });

  test("Documents are listed and matched for whom they are, and their parents say whose they are", async ({ store }) => {
    const lists = [[], ["user:ann"], ["group:staff", "user:ann"], ["user:an"], ['"user:ann"'], ["'; --"], ["$in"], [""]];
    const corpus = lists.map((principals, place) => textDocument(`d${place}`, "t", { principals, attributes: { n: place } }));
    await store.acceptDocuments("docs", "job", corpus, { n: "number" }, signal);
    const asked = [[], ["user:ann"], ["group:staff"], ["user:an", "user:ann"], ['"user:ann"', "'; --"], ["$in"], [""], ["user:bob"]];
    for (const principals of asked) {
      for (const isOpen of [true, false]) {
        const visible = { type: "visible", principals, isOpen } as const;
        const expected = corpus.filter((document) => matches(visible, {}, document.principals)).map(({ id }) => id);
        const listed = await store.listDocuments("docs", { after: null, limit: 100, visible }, signal);
        assert.equal(listed.items.map(({ id }) => id), expected, JSON.stringify(visible)); // biome-ignore format: one claim
        const [first, second] = [await store.listDocuments("docs", { after: null, limit: 1, visible }, signal), expected[1]];
        assert.is(first.items[0]?.id, expected[0]);
        assert.is(first.next, second === undefined ? null : (expected[0] ?? null));
        const below: Filter = { type: "and", filters: [visible, { type: "lt", key: "n", value: 4 }] };
        const matched = await store.matchDocuments("docs", below, { after: null, limit: 100 }, signal);
        assert.equal(matched.items, expected.filter((id) => Number(id.slice(1)) < 4)); // biome-ignore format: one claim
      }
    }
  });

  test("A call whose signal has aborted is cancelled", async ({ store }) => {
    await rejectsWith("cancelled", store.getCollection("docs", AbortSignal.abort()));
  });
}

const HOSTILE = [
  "",
  "'",
  '"',
  "\\",
  "' OR 1=1 --",
  "%",
  "_",
  "en",
  "EN",
  "é",
  "e\u0301",
  "\u{1F600}",
  "\uFFFD",
  "$.n",
  "?",
  "null",
  "1",
  "true",
];

const values: Record<string, fc.Arbitrary<AttributeValue>> = {
  s: fc.constantFrom(...HOSTILE),
  n: fc.oneof(fc.integer({ min: -4, max: 20 }), fc.double({ noNaN: true, noDefaultInfinity: true })),
  b: fc.boolean(),
};

const comparison: fc.Arbitrary<Filter> = fc.constantFrom("s", "n", "b").chain((key) => {
  const value = values[key] as fc.Arbitrary<AttributeValue>;
  return fc.oneof(
    fc.record({ type: fc.constantFrom("eq", "ne", "gt", "gte", "lt", "lte"), key: fc.constant(key), value }),
    fc.record({ type: fc.constantFrom("in", "nin"), key: fc.constant(key), value: fc.array(value, { maxLength: 4 }) }),
  ) as fc.Arbitrary<Filter>;
});

const filters: fc.Arbitrary<Filter> = fc.letrec<{ filter: Filter }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    comparison,
    fc.record({ type: fc.constantFrom("and" as const, "or" as const), filters: fc.array(tie("filter"), { minLength: 1, maxLength: 3 }) }),
  ),
})).filter;

async function indexAll(store: DocumentStore, job: string, documents: ReturnType<typeof textDocument>[], parent: string | null = null) {
  await store.acceptDocuments("docs", job, documents, {}, signal);
  const done = documents.map((document) => parsed(document, {}, parent));
  await store.putChunks("docs", 1, done, signal);
  await store.markIndexed(job, "docs", done, signal);
  await store.finishJob(job, "completed", null, signal);
}

function byCodePoint(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

export async function rejectsWith(code: string, attempt: Promise<unknown>): Promise<KennelError> {
  try {
    await attempt;
  } catch (thrown) {
    assert.instance(thrown, KennelError);
    assert.is((thrown as KennelError).code, code, String(thrown));
    return thrown as KennelError;
  }
  throw new Error(`Expected ${code}, but it resolved`);
}
