// The official client of OpenAI against a whole node: models, embeddings, vector stores.
import OpenAI, { BadRequestError, ConflictError, NotFoundError, toFile } from "openai";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { onNode } from "./node_rig.ts";

const MODEL = "static-minilm-256";
const PETS = [
  { id: "beagle", title: "Beagle", text: "A small scent hound, bred to hunt hare.", attributes: { kind: "dog", year: 1890 } },
  { id: "manx", title: "", text: "A cat without a tail, from the Isle of Man.", attributes: { kind: "cat", year: 1810 } },
];

function clientOf(url: string): OpenAI {
  return new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
}

async function failure(work: Promise<unknown>): Promise<unknown> {
  try {
    await work;
  } catch (thrown) {
    return thrown;
  }
  return assert.unreachable("it did not fail");
}

test("Collections, aliases and the embedding model are models", () =>
  onNode({}, async ({ caller }) => {
    await caller.makeCollection("pets");
    await caller.must("PUT", "/v1/aliases/animals", { collection: "pets" });
    const client = clientOf(caller.url);
    const { data } = await client.models.list();
    assert.equal(
      data.map(({ id }) => id),
      ["pets", "animals", MODEL],
    );
    assert.is((await client.models.retrieve("animals")).object, "model");
    assert.is((await client.models.retrieve(MODEL)).created, 0);
    const missing = await failure(client.models.retrieve("none"));
    assert.ok(missing instanceof NotFoundError && missing.param === "model");
  }));

test("Embeddings come as floats and as base64, many more than one call to the model takes", () =>
  onNode({}, async ({ caller }) => {
    const client = clientOf(caller.url);
    const input = ["hare", ...Array.from({ length: 600 }, (_, place) => `hound number ${place}`), "zzqqxxyy\u{1F9ED}"];
    const asBase64 = await client.embeddings.create({ model: MODEL, input });
    const asFloats = await client.embeddings.create({ model: MODEL, input, encoding_format: "float", dimensions: 256 });
    assert.is(asFloats.data.length, input.length);
    for (const [place, { index, embedding }] of asFloats.data.entries()) {
      assert.is(index, place);
      assert.is(embedding.length, 256);
      assert.ok(embedding.every((value, at) => Math.abs(value - (asBase64.data[place]?.embedding[at] as number)) < 1e-6));
    }
    const first = asFloats.data[0]?.embedding as number[];
    assert.ok(Math.abs(first.reduce((sum, value) => sum + value * value, 0) - 1) < 1e-4);
  }));

test("Embeddings refuse another model, another length, no text, too many texts and token ids", () =>
  onNode({}, async ({ caller }) => {
    const client = clientOf(caller.url);
    const param = async (body: object) => {
      const thrown = await failure(client.embeddings.create({ model: MODEL, input: "hare", ...body }));
      return thrown instanceof BadRequestError || thrown instanceof NotFoundError ? thrown.param : thrown;
    };
    assert.is(await param({ model: "text-embedding-3-small" }), "model");
    assert.is(await param({ dimensions: 512 }), "dimensions");
    assert.is(await param({ input: "" }), "input");
    assert.is(await param({ input: [] }), "input");
    assert.is(await param({ input: Array(2_049).fill("a") }), "input");
    assert.is(await param({ input: [[1, 2]] }), "input");
    assert.is(await param({ encoding_format: "int8" }), "encoding_format");
  }));

test("A vector store is searched with filters, a threshold and several wordings", () =>
  onNode({}, async ({ caller }) => {
    await caller.makeCollection("pets");
    await caller.addDocuments("pets", PETS);
    const client = clientOf(caller.url);
    const { data, response } = await client.vectorStores.search("pets", { query: "hunting hare", max_num_results: 5 }).withResponse();
    assert.is(response.headers.get("x-kennel-mode"), "full");
    assert.is(response.headers.get("x-kennel-degradations"), null);
    const [best] = data.data;
    assert.is(best?.file_id, "beagle");
    assert.is(best?.filename, "Beagle");
    assert.equal(best?.attributes, { kind: "dog", year: 1890 });
    assert.match(best?.content[0]?.text ?? "", "scent hound");
    assert.ok(data.data.every(({ score }) => score >= 0 && score <= 1));

    const cats = await client.vectorStores.search("pets", { query: ["hare", "tail"], filters: { type: "eq", key: "kind", value: "cat" } });
    assert.equal(
      cats.data.map(({ file_id, filename }) => [file_id, filename]),
      [["manx", "manx"]],
    );
    const above = await client.vectorStores.search("pets", { query: "hunting hare", ranking_options: { score_threshold: 0.99 } });
    assert.ok(above.data.every(({ score }) => score >= 0.99));
    const unknownField = { query: "hare", rewrite_query: true, surprise: 1 };
    assert.is((await client.vectorStores.search("pets", unknownField)).data[0]?.file_id, "beagle");
  }));

test("A vector store's search names what is wrong with it", () =>
  onNode({}, async ({ caller }) => {
    await caller.makeCollection("pets", { attributes: { kind: "string" } });
    const client = clientOf(caller.url);
    const missing = await failure(client.vectorStores.search("none", { query: "hare" }));
    assert.ok(missing instanceof NotFoundError && missing.param === "vector_store_id");
    const param = async (body: object) => {
      const thrown = await failure(client.vectorStores.search("pets", { query: "hare", ...body }));
      return thrown instanceof BadRequestError ? thrown.param : thrown;
    };
    assert.is(await param({ query: " " }), "query");
    assert.is(await param({ query: Array(9).fill("a") }), "query");
    assert.is(await param({ max_num_results: 51 }), "max_num_results");
    assert.is(await param({ ranking_options: { score_threshold: 2 } }), "ranking_options.score_threshold");
    assert.is(await param({ filters: { type: "eq", key: "colour", value: "red" } }), "filters.key");
  }));

test("Files are uploaded, taken into a vector store one by one and in a batch, found, shown and deleted", () =>
  onNode({}, async (rig) => {
    const client = clientOf(rig.caller.url);
    const store = await client.vectorStores.create({ name: "papers" });
    assert.equal([store.id, store.status, store.file_counts.total], ["papers", "completed", 0]);
    const hound = await client.files.create({
      file: await toFile(Buffer.from("A small scent hound, bred to hunt hare."), "beagle.txt"),
      purpose: "assistants",
    });
    assert.equal([hound.filename, hound.bytes, hound.purpose], ["beagle.txt", 39, "assistants"]);
    const odd = await failure(client.files.create({ file: await toFile(Buffer.from("a"), "a.txt"), purpose: "none" as "assistants" }));
    assert.ok(odd instanceof BadRequestError && odd.param === "purpose");
    await rig.restart();
    const again = clientOf(rig.caller.url);
    assert.is((await again.files.retrieve(hound.id)).filename, "beagle.txt");
    const taken = await again.vectorStores.files.createAndPoll(
      "papers",
      { file_id: hound.id, attributes: { kind: "dog" } },
      { pollIntervalMs: 20 },
    );
    assert.equal([taken.id, taken.status, taken.attributes], [hound.id, "completed", { kind: "dog" }]);
    const files = await Promise.all(
      ["cat", "hare"].map((name) => toFile(Buffer.from(`# The ${name}\n\nThis is about a ${name} in winter.`), `${name}.md`)),
    );
    const batch = await again.vectorStores.fileBatches.uploadAndPoll("papers", { files }, { pollIntervalMs: 20 });
    assert.equal([batch.status, batch.file_counts.completed, batch.file_counts.total], ["completed", 2, 2]);
    assert.is((await again.vectorStores.retrieve("papers")).file_counts.completed, 3);

    const { data } = await again.vectorStores.search("papers", { query: "scent hound" });
    assert.equal([data[0]?.file_id, data[0]?.filename], [hound.id, "beagle.txt"]);
    const listed: string[] = [];
    for await (const file of again.vectorStores.files.list("papers", { limit: 2 })) listed.push(file.id);
    assert.is(listed.length, 3);
    const texts: (string | undefined)[] = [];
    for await (const piece of again.vectorStores.files.content(hound.id, { vector_store_id: "papers" })) texts.push(piece.text);
    assert.equal(texts, ["A small scent hound, bred to hunt hare."]);

    await again.vectorStores.files.delete(hound.id, { vector_store_id: "papers" });
    assert.ok((await failure(again.vectorStores.files.retrieve(hound.id, { vector_store_id: "papers" }))) instanceof NotFoundError);
    await again.files.delete(hound.id);
    const gone = await failure(again.vectorStores.files.create("papers", { file_id: hound.id }));
    assert.ok(gone instanceof NotFoundError && gone.param === "file_id");
    assert.ok((await failure(again.vectorStores.create({ name: "papers" }))) instanceof ConflictError);
    assert.match((await again.vectorStores.create({})).id, /^vs_[0-9a-f]{24}$/);
    const names: string[] = [];
    for await (const { id } of again.vectorStores.list({ limit: 1 })) names.push(id);
    assert.is(names.length, 2);
    assert.is((await again.vectorStores.delete("papers")).deleted, true);
    assert.ok((await failure(again.vectorStores.retrieve("papers"))) instanceof NotFoundError);
  }));

test("A batch that is not there, and one that has ended, cannot be cancelled", () =>
  onNode({}, async ({ caller }) => {
    const client = clientOf(caller.url);
    await client.vectorStores.create({ name: "papers" });
    const missing = await failure(client.vectorStores.fileBatches.retrieve("job_none", { vector_store_id: "papers" }));
    assert.ok(missing instanceof NotFoundError && missing.param === "batch_id");
    const files = [await toFile(Buffer.from("A hare."), "hare.txt")];
    const { id } = await client.vectorStores.fileBatches.uploadAndPoll("papers", { files }, { pollIntervalMs: 20 });
    assert.ok((await failure(client.vectorStores.fileBatches.cancel(id, { vector_store_id: "papers" }))) instanceof ConflictError);
  }));

test.run();
