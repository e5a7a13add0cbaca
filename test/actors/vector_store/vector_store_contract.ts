import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { bothOf, type Filter, matches } from "../../../actors/vector_store/filter.ts";
import type {
  ChunkRow,
  IndexName,
  IndexSchema,
  LexicalIndex,
  SearchOptions,
  VectorStore,
} from "../../../actors/vector_store/vector_store.ts";
import { type ErrorCode, KennelError } from "../../../runtime/errors.ts";
import { ContractRecord, type Deviation } from "../../support/contract_record.ts";
import {
  anyAttributes,
  anyFilter,
  anyPrincipals,
  anyVisible,
  chunkRow,
  HOSTILE_STRINGS,
  PROPERTY_SCHEMA,
  unitVector,
} from "./chunk_rows.ts";

export type Store = VectorStore & LexicalIndex;

export interface ContractOptions {
  /** A store without indexes. */
  open(): Promise<Store>;
  /** Closes the store and removes what it left. */
  close(store: Store): Promise<void>;
  /** Tests that this store does not pass, each group with its reason; its own file then tests what it does instead. */
  readonly skip: readonly Deviation[];
  /** Runs of each property; a store behind a network asks for fewer. */
  readonly propertyRuns: number;
}

const never = new AbortController().signal;
const ENGLISH: IndexSchema = { dimensions: 4, language: "english", attributes: {} };
const ALL: SearchOptions = { limit: 100, needed: null, filter: null, notBeforeMs: null };

/** What every `VectorStore & LexicalIndex` must do. Call it once in the adapter's test file. */
export function vectorStoreContract(name: string, options: ContractOptions): void {
  const contract = suite(name);
  const record = new ContractRecord("vector store", name, options.skip);
  let store: Store;
  let made = 0;

  contract.before(async () => {
    store = await options.open();
  });
  contract.after(() => options.close(store));
  contract.after(() => record.write());

  const check = (sentence: string, work: () => Promise<void>) => {
    if (record.isDeviation(sentence)) contract.skip(sentence);
    else contract(sentence, record.noted(sentence, work));
  };

  const emptyIndex = async (schema: Partial<IndexSchema> = {}): Promise<IndexName> => {
    made += 1;
    const index = { collection: `Contract-${made}`, version: 1 };
    await store.createIndex(index, { ...ENGLISH, ...schema }, never);
    return index;
  };
  const indexWith = async (rows: readonly ChunkRow[], schema: Partial<IndexSchema> = {}): Promise<IndexName> => {
    const index = await emptyIndex(schema);
    await replace(index, rows);
    return index;
  };
  const replace = (index: IndexName, rows: readonly ChunkRow[]) =>
    store.replaceDocuments(index, [...new Set(rows.map((row) => row.documentId))], rows, never);
  const byText = async (index: IndexName, query: string, search: Partial<SearchOptions> = {}) =>
    (await store.searchText(index, query, { ...ALL, ...search }, never)).map(({ id }) => id);
  const byVector = async (index: IndexName, vector: Float32Array, search: Partial<SearchOptions> = {}) =>
    (await store.searchVector(index, vector, { ...ALL, ...search }, never)).map(({ id }) => id);
  const both = async (index: IndexName, search: Partial<SearchOptions>) => [
    (await byText(index, "word", search)).sort(),
    (await byVector(index, unitVector(1, 1, 1, 1), search)).sort(),
  ];

  check("A row is found by both branches as soon as its write has ended", async () => {
    const index = await indexWith([chunkRow("a", 0), chunkRow("b", 0, { indexText: "other", vector: unitVector(1, 0, 0, 0) })]);
    assert.equal(await byText(index, "word"), ["a#0"]);
    assert.equal(await byVector(index, unitVector(1, 0.1, 0, 0)), ["b#0", "a#0"]);
  });

  check("Rows written after optimize are found beside those before it", async () => {
    const index = await indexWith([chunkRow("a", 0)]);
    await store.optimize(index, never);
    await replace(index, [chunkRow("b", 0)]);
    assert.equal(await both(index, {}), [["a#0", "b#0"], ["a#0", "b#0"]]); // biome-ignore format: one line a branch
    await store.optimize(index, never);
    assert.equal(await both(index, {}), [["a#0", "b#0"], ["a#0", "b#0"]]); // biome-ignore format: one line a branch
  });

  check("A vector's score is its cosine, whatever the length of the query", async () => {
    const index = await indexWith([chunkRow("a", 0, { vector: unitVector(3, 4, 0, 0) })]);
    const [hit] = await store.searchVector(index, Float32Array.of(10, 0, 0, 0), ALL, never);
    assert.ok(Math.abs((hit?.score ?? 0) - 0.6) < 1e-5, `score is ${hit?.score}`);
  });

  check("Text scores rise with matching words and are above 0", async () => {
    const index = await indexWith([
      chunkRow("a", 0, { indexText: "red fox" }),
      chunkRow("b", 0, { indexText: "red fish" }),
      chunkRow("c", 0),
    ]);
    const hits = await store.searchText(index, "red fox", ALL, never);
    assert.equal(
      hits.map(({ id }) => id),
      ["a#0", "b#0"],
    );
    assert.ok((hits[0]?.score ?? 0) > (hits[1]?.score ?? 0) && (hits[1]?.score ?? 0) > 0);
  });

  check("Equal scores stand in the order of their ids, in both branches", async () => {
    const index = await indexWith(["d", "a", "c", "b"].map((id) => chunkRow(id, 0, { indexText: "word" })));
    assert.equal(await byText(index, "word"), ["a#0", "b#0", "c#0", "d#0"]);
    assert.equal(await byVector(index, unitVector(1, 0, 0, 0)), ["a#0", "b#0", "c#0", "d#0"]);
  });

  check("A search gives at most as many candidates as its limit", async () => {
    const index = await indexWith(Array.from({ length: 9 }, (_, place) => chunkRow(`d${place}`, 0)));
    assert.equal((await byText(index, "word", { limit: 4 })).length, 4);
    assert.equal((await byVector(index, unitVector(1, 0, 0, 0), { limit: 4 })).length, 4);
  });

  check("A search of which little is needed gives that, its best, and may give more", async () => {
    const vectors = Array.from({ length: 9 }, (_, place) => unitVector(9 - place, place, 0, 0));
    const index = await indexWith(vectors.map((vector, place) => chunkRow(`d${place}`, 0, { vector })));
    const found = await byVector(index, unitVector(1, 0, 0, 0), { limit: 6, needed: 2 });
    assert.equal(found.slice(0, 2), ["d0#0", "d1#0"]);
    assert.ok(found.length <= 6, `${found.length} candidates`);
    const byWord = await byText(index, "word", { limit: 6, needed: 2 });
    assert.ok(byWord.length >= 2 && byWord.length <= 6, `${byWord.length} candidates by text`);
  });

  check("Each of many searches at the same time gets its own answer", async () => {
    const angles = Array.from({ length: 40 }, (_, place) => unitVector(Math.cos(place / 20), Math.sin(place / 20), 0, 0));
    const index = await indexWith(angles.map((vector, place) => chunkRow(`d${place}`, 0, { vector })));
    const found = await Promise.all(angles.map((vector, place) => byVector(index, vector, { limit: 1 + (place % 2) })));
    assert.equal(
      found.map(([first]) => first),
      angles.map((_, place) => `d${place}#0`),
    );
    assert.ok(found.every(({ length }, place) => length === 1 + (place % 2)));
  });

  check("A candidate carries its document and its parent", async () => {
    const index = await indexWith([chunkRow("a", 3, { parentId: "a~1" })]);
    const [text] = await store.searchText(index, "word", ALL, never);
    const [vector] = await store.searchVector(index, unitVector(1, 0, 0, 0), ALL, never);
    for (const hit of [text, vector]) assert.equal([hit?.id, hit?.documentId, hit?.parentId], ["a#3", "a", "a~1"]);
  });

  check("A row without a vector is found by its text only", async () => {
    const index = await indexWith([chunkRow("a", 0, { vector: null }), chunkRow("b", 0)]);
    assert.equal(await both(index, {}), [["a#0", "b#0"], ["b#0"]]);
    const empty = await indexWith([chunkRow("a", 0, { vector: null })]);
    assert.equal(await byVector(empty, unitVector(1, 0, 0, 0)), []);
  });

  check("Rows without a vector take the place of none that has one, however far off it is", async () => {
    const blank = ["a", "b", "c"].map((id) => chunkRow(id, 0, { vector: null }));
    const index = await indexWith([...blank, chunkRow("far", 0, { vector: unitVector(-1, 0, 0, 0) })]);
    assert.equal(await byVector(index, unitVector(1, 0, 0, 0), { limit: 2 }), ["far#0"]);
  });

  check("A query vector of zeros is near to nothing", async () => {
    const index = await indexWith([chunkRow("a", 0)]);
    assert.equal(await byVector(index, new Float32Array(4)), []);
  });

  check("A vector of another dimension is refused on search and on write", async () => {
    const index = await indexWith([chunkRow("a", 0)]);
    await rejects(store.searchVector(index, unitVector(1, 1), ALL, never), "invalid_request");
    await rejects(replace(index, [chunkRow("b", 0, { vector: unitVector(1, 1) })]), "conflict");
    assert.equal(await store.countRows(index, never), 1);
  });

  check("An empty index answers with nothing", async () => {
    const index = await emptyIndex();
    assert.equal(await both(index, {}), [[], []]);
    await store.optimize(index, never);
    assert.equal(await both(index, {}), [[], []]);
  });

  check("Replacing a document leaves exactly its new rows and no other document's touched", async () => {
    const index = await indexWith([chunkRow("a", 0), chunkRow("a", 1), chunkRow("a", 2), chunkRow("b", 0)]);
    await replace(index, [chunkRow("a", 1, { indexText: "fresh" }), chunkRow("a", 7)]);
    assert.equal(await both(index, {}), [["a#7", "b#0"], ["a#1", "a#7", "b#0"]]); // biome-ignore format: one line a branch
    assert.equal(await byText(index, "fresh"), ["a#1"]);
  });

  check("Replacing documents by no rows removes them and nothing else", async () => {
    const index = await indexWith([chunkRow("a", 0), chunkRow("b", 0), chunkRow("c", 0)]);
    await store.replaceDocuments(index, ["a", "c", "unknown"], [], never);
    assert.equal(await both(index, {}), [["b#0"], ["b#0"]]);
    await store.replaceDocuments(index, [], [], never);
    assert.equal(await store.countRows(index, never), 1);
  });

  check("A document that loses rows beside one that is new is one change", async () => {
    const index = await indexWith([chunkRow("a", 0), chunkRow("a", 1)]);
    await store.replaceDocuments(index, ["a", "b"], [chunkRow("b", 0)], never);
    assert.equal(await both(index, {}), [["b#0"], ["b#0"]]);
  });

  check("Concurrent replacements of one document leave one of them whole", async () => {
    const index = await emptyIndex();
    const writes = [1, 2, 3, 4].map((count) =>
      replace(
        index,
        Array.from({ length: count }, (_, place) => chunkRow("a", place, { title: `${count}` })),
      ),
    );
    await Promise.all(writes);
    const chunks = await store.fetchChunks(index, ["a#0", "a#1", "a#2", "a#3"], never);
    assert.equal([...new Set(chunks.map(({ title }) => title))], [String(chunks.length)]);
  });

  check("A filter gives what the reference evaluator gives, in both branches, on indexed and fresh rows", async () => {
    const samples = fc.record({
      attributes: fc.array(anyAttributes, { minLength: 1, maxLength: 12 }),
      filters: fc.array(anyFilter, { minLength: 4, maxLength: 8 }),
    });
    await fc.assert(
      fc.asyncProperty(samples, fc.boolean(), async ({ attributes, filters }, isIndexed) => {
        const rows = attributes.map((values, place) => chunkRow(`d${place}`, 0, { attributes: values }));
        const index = await indexWith(rows, { attributes: PROPERTY_SCHEMA });
        if (isIndexed) await store.optimize(index, never);
        for (const filter of filters) {
          const expected = rows.filter((row) => matches(filter, row.attributes)).map(({ id }) => id).sort(); // biome-ignore format: one thought
          assert.equal(await both(index, { filter }), [expected, expected], JSON.stringify(filter));
        }
        await store.dropIndex(index, never);
      }),
      { numRuns: options.propertyRuns },
    );
  });

  check("Rows are found by whom they are for, in both branches, on indexed and fresh rows, and say so when they are read", async () => {
    const samples = fc.record({
      principals: fc.array(anyPrincipals, { minLength: 1, maxLength: 12 }),
      asked: fc.array(fc.tuple(anyVisible, fc.option(anyFilter)), { minLength: 4, maxLength: 8 }),
    });
    await fc.assert(
      fc.asyncProperty(samples, fc.boolean(), async ({ principals, asked }, isIndexed) => {
        const rows = principals.map((own, place) => chunkRow(`d${place}`, 0, { principals: own, attributes: { year: place } }));
        const index = await indexWith(rows, { attributes: PROPERTY_SCHEMA });
        if (isIndexed) await store.optimize(index, never);
        for (const [visible, own] of asked) {
          const filter = bothOf(own, visible) ?? visible;
          const expected = rows.filter((row) => matches(filter, row.attributes, row.principals)).map(({ id }) => id).sort(); // biome-ignore format: one thought
          assert.equal(await both(index, { filter }), [expected, expected], JSON.stringify(filter));
        }
        const read = await store.fetchChunks(
          index,
          rows.map(({ id }) => id),
          never,
        );
        for (const { id, principals: found } of read) assert.equal(found, rows.find((row) => row.id === id)?.principals, id);
        assert.is(read.length, rows.length);
        await store.dropIndex(index, never);
      }),
      { numRuns: options.propertyRuns },
    );
  });

  check("A filter never widens a result, nor does a second one", async () => {
    const rows = Array.from({ length: 12 }, (_, place) =>
      chunkRow(`d${place}`, 0, { attributes: { year: place % 5, lang: place % 2 === 0 ? "en" : "de" } }),
    );
    const index = await indexWith(rows, { attributes: PROPERTY_SCHEMA });
    const unfiltered = await both(index, {});
    await fc.assert(
      fc.asyncProperty(anyFilter, anyFilter, async (first, second) => {
        const one = await both(index, { filter: first });
        const two = await both(index, { filter: { type: "and", filters: [first, second] } });
        for (const branch of [0, 1]) {
          assert.ok(isSubset(one[branch], unfiltered[branch]), "one filter widened the result");
          assert.ok(isSubset(two[branch], one[branch]), "a second filter widened the result");
        }
      }),
      { numRuns: options.propertyRuns },
    );
  });

  check("A filter is applied before the limit, so that rare rows are found", async () => {
    const rows = Array.from({ length: 60 }, (_, place) =>
      chunkRow(`d${place}`, 0, { attributes: { year: place }, vector: unitVector(60 - place, place, 0, 0) }),
    );
    const index = await indexWith(rows, { attributes: PROPERTY_SCHEMA });
    const filter: Filter = { type: "gte", key: "year", value: 57 };
    assert.equal(await byVector(index, unitVector(1, 0, 0, 0), { filter, limit: 2 }), ["d57#0", "d58#0"]);
    assert.equal((await byText(index, "word", { filter, limit: 2 })).length, 2);
  });

  check("A hostile string is a value and nothing more, on search and on delete", async () => {
    const rows = HOSTILE_STRINGS.map((text, place) => chunkRow(`${place}${text}`, 0, { attributes: { lang: text } }));
    const index = await indexWith(rows, { attributes: { lang: "string" } });
    assert.equal(await store.countRows(index, never), rows.length);
    for (const row of rows) {
      const lang = row.attributes.lang as string;
      assert.equal(
        await both(index, { filter: { type: "eq", key: "lang", value: lang } }),
        [[row.id.toWellFormed()], [row.id.toWellFormed()]],
        lang,
      );
    }
    for (const [removed, row] of rows.entries()) {
      await store.replaceDocuments(index, [row.documentId], [], never);
      assert.is(await store.countRows(index, never), rows.length - removed - 1, `deleting ${JSON.stringify(row.documentId)}`);
    }
  });

  check("Rows changed before the time to live do not exist for a search", async () => {
    const index = await indexWith([
      chunkRow("old", 0, { updatedAtMs: 999 }),
      chunkRow("edge", 0, { updatedAtMs: 1000 }),
      chunkRow("new", 0, { updatedAtMs: 1001 }),
    ]);
    assert.equal(await both(index, { notBeforeMs: 1000 }), [["edge#0", "new#0"], ["edge#0", "new#0"]]); // biome-ignore format: one line a branch
  });

  check("An attribute added later is missing in older rows and filters newer ones", async () => {
    const index = await indexWith([chunkRow("a", 0)]);
    await store.extendSchema(index, { lang: "string", year: "number", isOpen: "boolean" }, never);
    await store.extendSchema(index, { lang: "string" }, never);
    await replace(index, [chunkRow("b", 0, { attributes: { lang: "en", year: 2024, isOpen: false } })]);
    assert.equal(await byText(index, "word", { filter: { type: "eq", key: "lang", value: "en" } }), ["b#0"]);
    assert.equal(await byText(index, "word", { filter: { type: "ne", key: "year", value: 2024 } }), ["a#0"]);
    const chunks = await store.fetchChunks(index, ["a#0", "b#0"], never);
    const attributes = Object.fromEntries(chunks.map((chunk) => [chunk.id, chunk.attributes]));
    assert.equal(attributes, { "a#0": {}, "b#0": { lang: "en", year: 2024, isOpen: false } });
  });

  check("An attribute never changes its type", async () => {
    const index = await emptyIndex({ attributes: { year: "number" } });
    await rejects(store.extendSchema(index, { year: "string" }, never), "conflict");
    await rejects(replace(index, [chunkRow("a", 0, { attributes: { year: "2024" } })]), "conflict");
    await rejects(replace(index, [chunkRow("a", 0, { attributes: { unknown: 1 } })]), "conflict");
  });

  check("A filter on an attribute that the index does not have yet takes it as missing", async () => {
    const index = await indexWith([chunkRow("a", 0)]);
    assert.equal(await both(index, { filter: { type: "eq", key: "lang", value: "en" } }), [[], []]);
    assert.equal(await both(index, { filter: { type: "nin", key: "lang", value: ["en"] } }), [["a#0"], ["a#0"]]);
  });

  check("Fetching gives every field back and leaves out unknown ids", async () => {
    const row = chunkRow("é", 2, {
      parentId: "p",
      url: "https://example.org/?a=1",
      text: "Text\n'quoted'",
      attributes: { lang: "en" },
      principals: ["group:staff", "user:ann"],
      updatedAtMs: 12345.5,
    });
    const index = await indexWith([row, chunkRow("b", 0)], { attributes: { lang: "string" } });
    const { indexText: _, vector: __, ...stored } = row;
    assert.equal(await store.fetchChunks(index, [row.id, "unknown#0", "b#1"], never), [stored]);
    assert.equal(await store.fetchChunks(index, [], never), []);
  });

  check("Fetching after a change gives the new text and nothing that is gone", async () => {
    const index = await indexWith([chunkRow("a", 0), chunkRow("b", 0), chunkRow("c", 0)]);
    await byText(index, "word");
    await store.replaceDocuments(index, ["a", "b"], [chunkRow("a", 0, { text: "new" })], never);
    for (const _ of ["fresh", "optimized"]) {
      const chunks = await store.fetchChunks(index, ["a#0", "b#0", "c#0"], never);
      assert.equal(chunks.map(({ id, text }) => `${id} ${text}`).sort(), ["a#0 new", "c#0 text of c"]);
      await store.optimize(index, never);
    }
  });

  check("A scan gives every row once, whole, in pages within their size", async () => {
    const rows = Array.from({ length: 25 }, (_, place) =>
      chunkRow(`d${place}`, place, {
        principals: place % 2 === 0 ? ["b", "a"] : [],
        vector: place % 3 === 0 ? null : unitVector(1, place, 0, 0),
        attributes: { year: place },
      }),
    );
    const index = await indexWith(rows, { attributes: { year: "number" } });
    const found: ChunkRow[] = [];
    for await (const page of store.scan(index, 10, never)) {
      assert.ok(page.length <= 10);
      found.push(...page);
    }
    assert.equal(
      found.sort((left, right) => left.ordinal - right.ordinal),
      rows,
    );
  });

  check("A scan shows one moment, whatever is written meanwhile", async () => {
    const index = await indexWith(Array.from({ length: 9 }, (_, place) => chunkRow(`d${place}`, 0)));
    const ids: string[] = [];
    for await (const page of store.scan(index, 3, never)) {
      if (ids.length === 0) {
        await store.replaceDocuments(index, ["d0", "d8"], [chunkRow("d8", 5)], never);
        await store.optimize(index, never);
      }
      ids.push(...page.map(({ id }) => id));
    }
    assert.equal(
      ids.sort(),
      Array.from({ length: 9 }, (_, place) => `d${place}#0`),
    );
  });

  check("Searches go on and stay right while an index is optimized", async () => {
    const index = await indexWith(Array.from({ length: 40 }, (_, place) => chunkRow(`d${place}`, 0)));
    await store.replaceDocuments(index, ["d0", "d1"], [], never);
    const optimized = store.optimize(index, never);
    const answers = await Promise.all(Array.from({ length: 20 }, () => both(index, {})));
    await optimized;
    for (const answer of answers)
      assert.equal(
        answer.map((branch) => branch.length),
        [38, 38],
      );
  });

  check("A language stems and drops its stop words, and accents do not matter", async () => {
    const index = await indexWith([chunkRow("a", 0, { indexText: "The running dogs of Zürich" })]);
    for (const query of ["dog", "RUN", "zurich"]) assert.equal(await byText(index, query), ["a#0"], query);
    assert.equal(await byText(index, "the of"), []);
    const german = await indexWith([chunkRow("a", 0, { indexText: "Die laufenden Häuser" })], { language: "german" });
    assert.equal(await byText(german, "Haus die"), ["a#0"]);
    assert.equal(await byText(german, "die"), []);
  });

  check("Without a language words are taken as they are", async () => {
    const index = await indexWith([chunkRow("a", 0, { indexText: "the running dogs" })], { language: "none" });
    assert.equal(await byText(index, "dog"), []);
    assert.equal(await byText(index, "the"), ["a#0"]);
    await rejects(emptyIndex({ language: "klingon" }), "invalid_request");
  });

  check("What looks like a query language is plain text", async () => {
    const index = await indexWith([chunkRow("a", 0, { indexText: "alpha beta" }), chunkRow("b", 0, { indexText: "beta gamma" })]);
    for (const query of [
      '"beta alpha"',
      "+alpha -beta",
      "alpha AND",
      "index_text:alpha",
      "alp* OR (",
      "a^9 alpha~2",
      '{"match":"alpha"}',
    ]) {
      assert.ok((await byText(index, query)).length <= 2, query);
    }
    assert.equal(await byText(index, '"beta alpha"'), ["a#0", "b#0"]);
    for (const query of ["", " ", "?!", "\0", "\ud800", "😀"]) assert.equal(await byText(index, query), [], query);
  });

  check("Making an index twice keeps its rows", async () => {
    const index = await indexWith([chunkRow("a", 0)]);
    await store.createIndex(index, ENGLISH, never);
    assert.is(await store.countRows(index, never), 1);
  });

  check("Versions of one collection are apart", async () => {
    const first = await indexWith([chunkRow("a", 0)]);
    const second = { ...first, version: 2 };
    await store.createIndex(second, ENGLISH, never);
    assert.is(await store.countRows(second, never), 0);
    await store.dropIndex(first, never);
    assert.is(await store.countRows(second, never), 0);
  });

  check("Dropping an index can be done again, and one made anew is empty", async () => {
    const index = await indexWith([chunkRow("a", 0)]);
    await store.dropIndex(index, never);
    await store.dropIndex(index, never);
    await rejects(store.countRows(index, never), "not_found");
    await store.createIndex(index, ENGLISH, never);
    assert.equal(await both(index, {}), [[], []]);
  });

  check("Every method says so when there is no such index", async () => {
    const index = { collection: "missing", version: 1 };
    await rejects(store.searchText(index, "word", ALL, never), "not_found");
    await rejects(store.searchVector(index, unitVector(1, 0, 0, 0), ALL, never), "not_found");
    await rejects(store.fetchChunks(index, ["a#0"], never), "not_found");
    await rejects(store.countRows(index, never), "not_found");
    await rejects(store.optimize(index, never), "not_found");
    await rejects(store.extendSchema(index, { lang: "string" }, never), "not_found");
    await rejects(replace(index, [chunkRow("a", 0)]), "not_found");
    await rejects(store.scan(index, 10, never)[Symbol.asyncIterator]().next(), "not_found");
  });

  check("An aborted signal rejects with cancelled, at once and without a change", async () => {
    const index = await indexWith([chunkRow("a", 0)]);
    const aborted = AbortSignal.abort();
    await rejects(store.searchText(index, "word", ALL, aborted), "cancelled");
    await rejects(store.replaceDocuments(index, ["a"], [], aborted), "cancelled");
    const controller = new AbortController();
    const search = store.searchVector(index, unitVector(1, 0, 0, 0), ALL, controller.signal);
    controller.abort();
    await rejects(search, "cancelled");
    assert.is(await store.countRows(index, never), 1);
  });

  check("A probe resolves while the store can answer", () => store.probe(never));

  contract("The list of skipped tests names tests that exist", () => {
    assert.equal(record.unknown, []);
  });

  contract.run();
}

export async function rejects(work: Promise<unknown>, code: ErrorCode): Promise<KennelError> {
  try {
    await work;
  } catch (thrown) {
    assert.instance(thrown, KennelError, String(thrown));
    const error = thrown as KennelError;
    assert.is(error.code, code, `${error.message} ${error.cause}`);
    return error;
  }
  throw new Error(`Expected ${code}, but the call resolved`);
}

function isSubset(part: readonly string[] | undefined, whole: readonly string[] | undefined): boolean {
  const members = new Set(whole);
  return part?.every((member) => members.has(member)) ?? false;
}
