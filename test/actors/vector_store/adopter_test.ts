import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Adopter } from "../../../actors/vector_store/adopter.ts";
import type { ForeignCollection, ForeignCollections, ForeignField } from "../../../actors/vector_store/adoption.ts";
import { SETTINGS } from "../document_store/documents.ts";
import { rejects } from "./vector_store_contract.ts";

const test = suite("the adopter of collections");

const never = new AbortController().signal;
const MODEL = { name: "static-minilm-256", dimensions: 256 };
const REQUEST = { collection: "articles", mode: "read_only", fields: {} } as const;

const field = (name: string, type: ForeignField["type"], changes: Partial<ForeignField> = {}): ForeignField => ({
  ...{ isPrimaryKey: false, isAutoId: false, isNullable: false, isFilled: false, isDynamic: false, maxBytes: 4_096, dimensions: null },
  ...{ name, type, nativeType: type },
  ...changes,
});

const ARTICLES: ForeignCollection = {
  name: "articles",
  fields: [
    field("id", "string", { isPrimaryKey: true }),
    field("vector", "vector", { dimensions: 256 }),
    field("text", "string"),
    field("lang", "string", { maxBytes: 8 }),
  ],
  hasDynamicField: true,
  indexes: [{ field: "vector", type: "HNSW", metric: "COSINE", lists: null }],
  textSearches: [],
  rows: 3,
  hasUnitVectors: {},
};

/** What it was asked for, and whether to load it. */
function foreign(found: ForeignCollection = ARTICLES) {
  const inspected: [string, boolean][] = [];
  const store: ForeignCollections = {
    list: async () => ["articles"],
    async inspect(name, isToLoad) {
      inspected.push([name, isToLoad]);
      return found;
    },
    matchDocuments: async () => [],
    heldDocuments: async () => [],
    readDocument: async () => null,
  };
  return { store, inspected, adopter: new Adopter(store, MODEL, 100) };
}

test("Adopting gives settings that say it all, without parents, and the same again asks no store", async () => {
  const { adopter, inspected } = foreign();
  const settings = await adopter.adopt(REQUEST, { ...SETTINGS, attributes: { views: "number" } }, null, never);
  assert.equal(settings.attributes, { lang: "string", views: "number" });
  assert.equal([settings.chunking.parentTokens, settings.adopt?.fields.text, settings.adopt?.lexical], [0, "text", "replica"]);
  assert.equal(inspected, [["articles", true]]);
  const again = await adopter.adopt({ ...REQUEST, fields: { text: "text" } }, settings, settings.adopt ?? null, never);
  assert.equal(again, settings);
  assert.is(inspected.length, 1);
});

test("Another mode or another attribute is looked up, with the fields that were settled before", async () => {
  const { adopter, inspected } = foreign({ ...ARTICLES, fields: [...ARTICLES.fields, field("body", "string")] });
  const known = await adopter.adopt({ ...REQUEST, fields: { text: "body" } }, SETTINGS, null, never);
  const wanted = { ...known, attributes: { ...known.attributes, views: "number" } as const };
  const more = await adopter.adopt(REQUEST, wanted, known.adopt ?? null, never);
  assert.equal([more.adopt?.fields.text, more.attributes.views], ["body", "number"]);
  assert.is(inspected.length, 2);
});

test("A look changes nothing, says what it would come to, and why not more", async () => {
  const { adopter, inspected } = foreign();
  const writable = await adopter.look("articles", never);
  assert.equal([writable.adoption?.mode, writable.problem, writable.readOnlyBecause], ["read_write", null, null]);
  const fixed = await foreign({ ...ARTICLES, hasDynamicField: false }).adopter.look("articles", never);
  assert.equal([fixed.adoption?.mode, fixed.readOnlyBecause?.param], ["read_only", "adopt.mode"]);
  const bare = await foreign({ ...ARTICLES, indexes: [] }).adopter.look("articles", never);
  assert.equal([bare.adoption, bare.problem?.param], [null, "adopt.fields.vector"]);
  assert.equal(inspected, [["articles", false]]);
});

test("Settings that speak of rows as Kennel writes them, and a node without a Milvus, are refused", async () => {
  const { adopter } = foreign();
  const refused = (changes: object) => rejects(adopter.adopt(REQUEST, { ...SETTINGS, ...changes }, null, never), "invalid_request");
  assert.is((await refused({ ttlSeconds: 60 })).param, "ttl_seconds");
  assert.is((await refused({ resident: "always" })).param, "resident");
  const without = new Adopter(null, MODEL, 100);
  assert.match((await rejects(without.adopt(REQUEST, SETTINGS, null, never), "conflict")).message, "KENNEL_MILVUS_URL");
  await rejects(without.list(never), "conflict");
  await rejects(without.look("articles", never), "conflict");
});

test.run();
