import { suite } from "uvu";
import * as assert from "uvu/assert";
import { buildsOf, IndexBuilds, type IndexBuildsParts } from "../../../actors/ingest/index_builds.ts";
import type { IndexSchema } from "../../../actors/vector_store/vector_store.ts";
import { collectionRecord } from "../retriever/search_requests.ts";

const test = suite("indexes of builds");
const never = new AbortController().signal;

function startBuilds() {
  const made: IndexSchema[] = [];
  const vectors = {
    createIndex: async (_index: unknown, schema: IndexSchema) => void made.push(schema),
    extendSchema: async () => {},
  } as unknown as IndexBuildsParts["vectors"];
  const modelOf = (() => ({ dimensions: 4 })) as unknown as IndexBuildsParts["modelOf"];
  return { made, builds: new IndexBuilds({ vectors, modelOf }) };
}

test("A build is made once, with the vector index that its collection asks for", async () => {
  const { made, builds } = startBuilds();
  const record = collectionRecord({}, { vectorIndex: "flat" });
  await builds.ensure(record, buildsOf(record).active, never);
  await builds.ensure(record, buildsOf(record).active, never);
  assert.equal(made, [{ dimensions: 4, language: "english", attributes: {}, vectorIndex: "flat" }]);
});

test("One that asks for none leaves it to the store", async () => {
  const { made, builds } = startBuilds();
  const record = collectionRecord();
  await builds.ensure(record, buildsOf(record).active, never);
  assert.equal(made, [{ dimensions: 4, language: "english", attributes: {} }]);
});

test.run();
