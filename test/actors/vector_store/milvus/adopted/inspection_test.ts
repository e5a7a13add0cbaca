import { suite } from "uvu";
import * as assert from "uvu/assert";
import { dynamicFields, inspectForeign, readIndex } from "../../../../../actors/vector_store/milvus/adopted/inspection.ts";

const test = suite("looking at a collection of others");

test("An index is read whether its parameters stand beside its type or as JSON within them", () => {
  const beside = [
    { key: "index_type", value: "IVF_FLAT" },
    { key: "metric_type", value: "l2" },
    { key: "nlist", value: "64" },
  ];
  const within = [...beside.slice(0, 2), { key: "params", value: '{"nlist": 64}' }];
  for (const params of [beside, within]) {
    assert.equal(readIndex("embedding", params), { field: "embedding", type: "IVF_FLAT", metric: "L2", lists: 64 });
  }
  for (const params of ["", "null", "{}", "{", '{"nlist": "many"}']) {
    assert.is(readIndex("embedding", [...beside.slice(0, 2), { key: "params", value: params }]).lists, null, params);
  }
});

test("A key of rows is an attribute where its values have one type, and is left alone where they have several", () => {
  const sample = [
    { $meta: { lang: "en", views: 1, mixed: 1, tags: ["a"], nothing: null } },
    { $meta: { lang: "de", mixed: "x", ok: true } },
    { $meta: null },
    {},
  ];
  const found = dynamicFields(sample).map(({ name, type }) => `${name} ${type}`);
  assert.equal(found, ["lang string", "mixed other", "ok boolean", "tags other", "views number"]);
});

test("So many keys are looked at and no more", () => {
  const keys = Object.fromEntries(Array.from({ length: 1_000 }, (_, place) => [`key${place}`, place]));
  assert.is(dynamicFields([{ $meta: keys }, { $meta: keys }]).length, 256);
});

test("A collection of Kennel's own is refused by whatever name it is asked for", async () => {
  let described = 0;
  const client = {
    describeCollection: async () => {
      described += 1;
      return { status: { error_code: "Success", code: 0 }, schema: {}, properties: [{ key: "kennel.schema", value: "{}" }] };
    },
  } as unknown as Parameters<typeof inspectForeign>[0];
  for (const name of ["kennel_docs_v1", "an_alias"]) {
    const refusal = await inspectForeign(client, name, false).catch((thrown: unknown) => thrown);
    assert.is((refusal as { param?: string }).param, "adopt.collection");
    assert.match((refusal as Error).message, name);
  }
  assert.is(described, 1, "its name alone says so of the first");
});

test.run();
