import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { IncomingDocument } from "../../../actors/ingest/accept.ts";
import type { Adoption } from "../../../actors/vector_store/adoption.ts";
import type { LexicalIndex, VectorStore } from "../../../actors/vector_store/vector_store.ts";
import { SETTINGS } from "../document_store/documents.ts";
import { adoptionOf } from "../vector_store/adoptions.ts";
import { rejects } from "../vector_store/vector_store_contract.ts";
import { openIngest, signal } from "./ingest_parts.ts";

const test = suite("ingest into a collection of others");

const text = (isRequired: boolean, maxBytes: number | null) => ({
  type: "string" as const,
  isDynamic: false,
  isNullable: !isRequired,
  isRequired,
  maxBytes,
});

const ADOPTION = adoptionOf({
  collection: "notes_of_others",
  mode: "read_write",
  columns: {
    id: text(true, 24),
    doc_id: text(true, 64),
    text: text(true, 40),
    lang: text(true, 4),
    year: { type: "integer", isDynamic: false, isNullable: true, isRequired: false, maxBytes: null },
  },
  attributes: { lang: "string", year: "number" },
  ignored: [{ field: "meta", type: "JSON" }],
  dimensions: 256,
});

function document(id: string, words: string, attributes: IncomingDocument["attributes"] = { lang: "en" }): IncomingDocument {
  return { id, title: "", url: "", attributes, principals: [], vector: null, source: { kind: "text", text: words, format: "text" } };
}

const NOTES = { collection: "notes", version: 1 };

/** An index stands for the collection of others; what is done to it is counted. */
async function opened(adopt: Adoption = ADOPTION) {
  const calls: string[] = [];
  const counted = (store: VectorStore & LexicalIndex) =>
    new Proxy(store, {
      get(target, name) {
        const method = Reflect.get(target, name, target) as unknown;
        if (typeof method !== "function") return method;
        return (...parameters: unknown[]) => {
          calls.push(String(name));
          return method.apply(target, parameters);
        };
      },
    });
  const foreign = {
    list: async () => [],
    inspect: () => Promise.reject(new Error("nobody looks")),
    matchDocuments: async () => [],
    heldDocuments: async (_adoption: Adoption, ids: readonly string[]) => ids.filter((id) => id.startsWith("theirs")),
    readDocument: async () => null,
  };
  const parts = await openIngest({ wrapVectors: counted, options: { foreign } });
  await parts.vectors.createIndex(NOTES, { dimensions: 256, language: "none", attributes: ADOPTION.attributes }, signal);
  const chunking = { ...SETTINGS.chunking, parentTokens: 0 };
  await parts.catalog.put("notes", { ...SETTINGS, chunking, attributes: ADOPTION.attributes, adopt }, signal);
  calls.length = 0;
  return { ...parts, calls };
}

test("Read-only, no document comes, changes or goes, and nothing can be built anew", async () => {
  const { ingest, calls, close } = await opened({ ...ADOPTION, mode: "read_only" });
  await rejects(ingest.accept("notes", [document("a", "b")], signal), "conflict");
  await rejects(ingest.deleteDocuments("notes", ["a"], signal), "conflict");
  await rejects(ingest.deleteMatching("notes", { type: "eq", key: "lang", value: "en" }, signal), "conflict");
  await rejects(ingest.reindex("notes", SETTINGS, signal), "conflict");
  assert.equal(calls, []);
  await close();
});

test("Documents that the schema can't hold are refused with the field", async () => {
  const { ingest, close } = await opened();
  for (const [sent, param] of [
    [document("a", "b", {}), "documents[0].attributes.lang"],
    [document("a", "b", { lang: "en", year: 1.5 }), "documents[0].attributes.year"],
    [document("a", "b", { lang: "en", colour: "red" }), "documents[0].attributes.colour"],
    [document("a", "b", { lang: "en", meta: "x" }), "documents[0].attributes.meta"],
    [document("a", "b", { lang: "english" }), "documents[0].attributes.lang"],
    [document("a".repeat(17), "b"), "documents[0].id"],
  ] as const) {
    const error = await rejects(ingest.accept("notes", [sent], signal), "invalid_request");
    assert.is(error.param, param);
  }
  await close();
});

test("A passage that is too long, or has no vector, fails its document alone", async () => {
  const { ingest, finished, rows, close } = await opened();
  const documents = [document("a", "owls hunt at night"), document("b", "word ".repeat(20)), document("c", "\u{1f54a}")];
  const job = await finished((await ingest.accept("notes", documents, signal)).id);
  assert.equal([job.status, job.counts.indexed, job.counts.failed], ["completed", 1, 2]);
  assert.equal(job.failures.map(({ documentId }) => documentId).sort(), ["b", "c"]);
  assert.equal((await rows("notes")).map(({ id }) => id), ["a#0"]); // biome-ignore format: one claim
  await close();
});

test("Rows of others are removed, too, and counted, though no document stands for them", async () => {
  const { ingest, finished, calls, rows, close } = await opened();
  await finished((await ingest.accept("notes", [document("mine", "owls hunt at night")], signal)).id);
  calls.length = 0;
  assert.is(await ingest.deleteDocuments("notes", ["theirs1", "mine"], signal), 1);
  assert.equal(calls, ["replaceDocuments"]);
  assert.is(await ingest.deleteDocuments("notes", ["theirs1"], signal), 1);
  assert.is(await ingest.deleteDocuments("notes", ["nobody"], signal), 0);
  assert.equal(await rows("notes"), []);
  await close();
});

test("It is never mended, made or dropped, whatever it holds", async () => {
  const { ingest, finished, catalog, vectors, calls, close } = await opened();
  await finished((await ingest.accept("notes", [document("a", "owls hunt at night")], signal)).id);
  await vectors.replaceDocuments(NOTES, ["a"], [], signal); // its owner has emptied it
  calls.length = 0;
  assert.is(await ingest.repairIfIncomplete("notes", signal), false);
  assert.is(await catalog.delete("notes", signal), true);
  assert.equal(calls, []);
  assert.is(await vectors.countRows(NOTES, signal), 0, "it is still there");
  await close();
});

test("What is adopted can be said anew, but not put in place of another, nor left out", async () => {
  const { catalog, close } = await opened();
  const { settings } = catalog.require("notes").record;
  const conflict = (changed: typeof settings) => rejects(catalog.put("notes", changed, signal), "conflict");
  const { adopt: _, ...own } = settings;
  await conflict(own);
  await conflict({ ...settings, adopt: { ...ADOPTION, collection: "others" } });
  await conflict({ ...settings, adopt: { ...ADOPTION, fields: { ...ADOPTION.fields, title: "lang" } } });
  const { outcome } = await catalog.put("notes", { ...settings, embedding: "another", adopt: { ...ADOPTION, mode: "read_only" } }, signal);
  assert.is(outcome, "changed");
  await catalog.put("plain", SETTINGS, signal);
  await rejects(catalog.put("plain", { ...SETTINGS, adopt: ADOPTION }, signal), "conflict");
  await close();
});

test.run();
