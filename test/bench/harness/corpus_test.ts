import { suite } from "uvu";
import * as assert from "uvu/assert";
import { loadQueries, nplDocuments, recombine } from "../../../bench/harness/corpus.ts";

const corpus = suite("bench corpus");

corpus("Recombined documents are the same every time, as many as wanted, each with its own id", async () => {
  const documents = await nplDocuments(300);
  const made = recombine(documents, 1_000);
  assert.equal(made, recombine(documents, 1_000));
  assert.is(new Set(made.map(({ id }) => id)).size, 1_000);
  assert.equal(made.slice(0, 300), documents);
  assert.ok(made.every(({ text }) => text.length > 0));
  assert.is(recombine(documents, 10).length, 10);
});

corpus("Load queries are different runs of words from the documents", async () => {
  const documents = await nplDocuments(300);
  const queries = loadQueries(documents, 100);
  assert.equal(queries, loadQueries(documents, 100));
  assert.is(new Set(queries).size, 100);
  for (const query of queries) assert.ok(documents.some(({ text }) => text.includes(query)), query); // biome-ignore format: one claim
});

corpus.run();
