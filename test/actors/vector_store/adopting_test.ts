import { suite } from "uvu";
import * as assert from "uvu/assert";
import { adoptCollection } from "../../../actors/vector_store/adopting.ts";
import type { AdoptionRequest, ForeignCollection, ForeignField } from "../../../actors/vector_store/adoption.ts";
import type { AttributeSchema } from "../../../actors/vector_store/filter.ts";
import { KennelError } from "../../../runtime/errors.ts";

const test = suite("adopting a collection of others");

const MODEL = { name: "static-minilm-256", dimensions: 256 };

function field(name: string, type: ForeignField["type"], changes: Partial<ForeignField> = {}): ForeignField {
  const base = {
    isPrimaryKey: false,
    isAutoId: false,
    isNullable: false,
    isFilled: false,
    isDynamic: false,
    maxBytes: null,
    dimensions: null,
  };
  return { ...base, name, type, nativeType: type, ...changes };
}

const KEY = field("id", "string", { isPrimaryKey: true, maxBytes: 64 });
const VECTOR = field("embedding", "vector", { dimensions: 256 });
const text = (name: string, maxBytes = 4_096) => field(name, "string", { maxBytes });

function foreign(fields: readonly ForeignField[], changes: Partial<ForeignCollection> = {}): ForeignCollection {
  return {
    name: "articles",
    fields,
    hasDynamicField: false,
    indexes: fields
      .filter(({ type }) => type === "vector")
      .map(({ name }) => ({ field: name, type: "HNSW", metric: "COSINE", lists: null })),
    textSearches: [],
    rows: 3,
    hasUnitVectors: {},
    ...changes,
  };
}

function adopt(collection: ForeignCollection, request: Partial<AdoptionRequest> = {}, declared: AttributeSchema = {}, model = MODEL) {
  return adoptCollection(
    collection,
    { collection: "articles", mode: "read_only", fields: {}, ...request },
    { declared, model, language: "english", maxCopiedRows: 100 },
  );
}

function refused(param: string, words: string, work: () => unknown): void {
  try {
    work();
  } catch (thrown) {
    assert.instance(thrown, KennelError);
    assert.equal([(thrown as KennelError).param, (thrown as KennelError).message.includes(words)], [param, true], String(thrown));
    return;
  }
  assert.unreachable(`${param} was not refused`);
}

test("The key, the only vector and usual names are found, whatever their case; the rest are attributes", () => {
  const fields = [KEY, VECTOR, text("Page_Content"), text("doc_id"), text("Title"), text("url"), text("lang", 16)];
  const numbers = [field("year", "integer"), field("price", "float32"), field("ok", "boolean"), field("meta", "other")];
  const adoption = adopt(foreign([...fields, ...numbers]));
  assert.equal(adoption.fields, { id: "id", vector: "embedding", text: "Page_Content", documentId: "doc_id", title: "Title", url: "url" });
  assert.equal(adoption.attributes, { lang: "string", year: "number", price: "number", ok: "boolean" });
  assert.equal(adoption.ignored, [{ field: "meta", type: "other" }]);
  assert.equal([adoption.canEmbed, adoption.textSearch, adoption.isUnit], [true, null, true]);
});

test("A text that the store ranks is the text; without a usual name the only string with room for a passage is", () => {
  const ranked = foreign([KEY, VECTOR, text("text"), text("content")], { textSearches: [{ field: "content", by: "sparse" }] });
  assert.equal([adopt(ranked).fields.text, adopt(ranked).textSearch, adopt(ranked).lexical], ["content", "sparse", "store"]);
  assert.is(adopt(foreign([KEY, VECTOR, text("abstract"), text("lang", 16)])).fields.text, "abstract");
  assert.is(adopt(foreign([KEY, VECTOR, text("lang", 16)])).fields.text, null);
});

test("Words that the store does not rank are ranked in a copy, unless there is no text or too much of it", () => {
  const fields = [KEY, VECTOR, text("text")];
  assert.is(adopt(foreign(fields, { rows: 100 })).lexical, "replica");
  assert.is(adopt(foreign(fields, { rows: 101 })).lexical, "none");
  assert.is(adopt(foreign([KEY, VECTOR])).lexical, "none");
});

test("Several candidates are an error that names them, and a field that is given settles it, null too", () => {
  const two = foreign([KEY, VECTOR, text("text"), text("content")]);
  refused("adopt.fields.text", "text, content", () => adopt(two));
  assert.is(adopt(two, { fields: { text: "content" } }).fields.text, "content");
  assert.equal(adopt(two, { fields: { text: null } }).attributes, { text: "string", content: "string" });
  refused("adopt.fields.vector", "embedding, other", () => adopt(foreign([KEY, VECTOR, { ...VECTOR, name: "other" }])));
  refused("adopt.fields.text", "abstract, summary", () => adopt(foreign([KEY, VECTOR, text("abstract"), text("summary")])));
  refused("adopt.fields.document_id", "doc_id, ref_doc_id", () => adopt(foreign([KEY, VECTOR, text("doc_id"), text("ref_doc_id")])));
});

test("What is no such field, or has another use, is refused with those that there are", () => {
  const one = foreign([KEY, VECTOR, text("text"), field("year", "integer")]);
  refused("adopt.fields.text", "text", () => adopt(one, { fields: { text: "txt" } }));
  refused("adopt.fields.title", "text", () => adopt(one, { fields: { title: "year" } }));
  refused("adopt.fields.title", "another field", () => adopt(one, { fields: { title: "text" } }));
  refused("adopt.fields.id", "id", () => adopt(one, { fields: { id: "text" } }));
  refused("adopt.fields.vector", "embedding", () => adopt(one, { fields: { vector: "year" } }));
  refused("adopt.fields.vector", "has no index", () => adopt({ ...one, indexes: [] }));
  refused("adopt.fields.vector", "COSINE, IP, L2", () =>
    adopt({ ...one, indexes: [{ field: "embedding", type: "FLAT", metric: "JACCARD", lists: null }] }),
  );
  refused("adopt.fields.vector", "FloatVector", () => adopt(foreign([KEY, text("text")])));
});

test("Keys of the dynamic field are attributes as they were seen or are declared, and can have a role", () => {
  const seen = field("source", "string", { isDynamic: true, isNullable: true });
  const open = foreign([KEY, VECTOR, text("text"), seen], { hasDynamicField: true });
  assert.equal(adopt(open, {}, { views: "number" }).attributes, { source: "string", views: "number" });
  assert.is(adopt(open, { fields: { url: "link" } }).columns.link?.isDynamic, true);
  refused("attributes.source", "string", () => adopt(open, {}, { source: "number" }));
  refused("attributes.views", "text", () => adopt(foreign([KEY, VECTOR, text("text")]), {}, { views: "number" }));
});

test("Vectors under L2 have to have length 1; under the inner product it is only noted", () => {
  const under = (metric: string, isUnit: boolean) =>
    foreign([KEY, VECTOR], {
      indexes: [{ field: "embedding", type: "IVF_FLAT", metric, lists: 64 }],
      hasUnitVectors: { embedding: isUnit },
    });
  refused("adopt.fields.vector", "length 1", () => adopt(under("L2", false)));
  assert.is(adopt(under("L2", true)).isUnit, true);
  assert.is(adopt(under("IP", false)).isUnit, false);
});

test("It may be written to where Kennel can give ids, say the document and fill every field", () => {
  const write = (fields: readonly ForeignField[], changes: Partial<ForeignCollection> = {}, model = MODEL) =>
    adopt(foreign(fields, changes), { mode: "read_write" }, {}, model);
  const all = [KEY, VECTOR, text("text"), text("doc_id")];
  assert.is(write([...all, field("year", "integer")]).columns.year?.isRequired, true);
  assert.is(write([...all, field("year", "integer", { isNullable: true })]).columns.year?.isRequired, false);
  assert.is(write(all.slice(0, 3), { hasDynamicField: true }).fields.documentId, "document_id");
  refused("adopt.mode", "autoID", () => write([{ ...KEY, isAutoId: true }, ...all.slice(1)]));
  refused("adopt.mode", "ids are strings", () => write([{ ...KEY, type: "integer" }, ...all.slice(1)]));
  refused("adopt.mode", "document_id", () => write(all.slice(0, 3)));
  refused("adopt.mode", "adopt.fields.text", () => write([KEY, VECTOR, text("doc_id", 64)]));
  refused("adopt.mode", "meta", () => write([...all, field("meta", "other")]));
  refused("adopt.mode", "dimensions", () => write(all, {}, { name: "other", dimensions: 384 }));
});

test.run();
