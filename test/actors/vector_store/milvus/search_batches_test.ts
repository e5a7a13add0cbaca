import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type NearestRequest, SearchBatches } from "../../../../actors/vector_store/milvus/search_batches.ts";

const batches = suite("milvus search batches");

const REQUEST: NearestRequest = {
  collection: "docs",
  field: "vector",
  metric: "IP",
  filter: "",
  fields: ["id"],
  limit: 10,
  params: { ef: 128 },
};
const never = new AbortController().signal;

/** Calls that stay open until they are answered; each vector's rows are the vector itself. */
function openCalls(maxCalls: number) {
  const sent: { readonly request: NearestRequest; readonly vectors: readonly (readonly number[])[]; end(thrown?: Error): void }[] = [];
  const own = new SearchBatches({
    maxCalls,
    send: (request, vectors) =>
      new Promise((resolve, reject) => {
        const rows = vectors.map((vector) => [{ id: String(vector[0]) }]);
        sent.push({ request, vectors, end: (thrown) => (thrown === undefined ? resolve(rows) : reject(thrown)) });
      }),
  });
  const search = async (value: number, request = REQUEST, signal = never) => (await own.search(request, [value], signal))[0]?.id;
  return { sent, search };
}

batches("Searches go alone and at once until as many calls as allowed are open", async () => {
  const { sent, search } = openCalls(2);
  const answers = [search(1), search(2), search(3)];
  assert.equal(sent.map(({ vectors }) => vectors), [[[1]], [[2]]]); // biome-ignore format: one claim
  sent[0]?.end();
  assert.is(await answers[0], "1");
  sent[1]?.end();
  assert.is(await answers[1], "2");
  assert.equal(sent.map(({ vectors }) => vectors), [[[1]], [[2]], [[3]]]); // biome-ignore format: one claim
  sent[2]?.end();
  assert.is(await answers[2], "3");
});

batches("Those that waited go together, each gets its own rows, and others than they wait for the next call", async () => {
  const { sent, search } = openCalls(1);
  const filtered = { ...REQUEST, filter: "year == 2024" };
  const answers = [search(0), search(1), search(2, filtered), search(3), search(4, filtered)];
  for (let call = 0; call < 3; call += 1) {
    sent[call]?.end();
    await answers[call];
  }
  assert.equal(sent.map(({ vectors }) => vectors), [[[0]], [[1], [3]], [[2], [4]]]); // biome-ignore format: one claim
  assert.equal(sent.map(({ request }) => request.filter), ["", "", "year == 2024"]); // biome-ignore format: one claim
  assert.equal(await Promise.all(answers), ["0", "1", "2", "3", "4"]);
});

batches("One call takes 64 vectors at most", async () => {
  const { sent, search } = openCalls(1);
  const answers = Array.from({ length: 131 }, (_, value) => search(value));
  for (let call = 0; call < 4; call += 1) {
    sent[call]?.end();
    await answers[call === 0 ? 0 : (call - 1) * 64 + 1];
  }
  assert.equal(sent.map(({ vectors }) => vectors.length), [1, 64, 64, 2]); // biome-ignore format: one claim
  assert.is((await Promise.all(answers)).length, 131);
});

batches("Who has left is not asked for, and where nobody is left there is no call", async () => {
  const { sent, search } = openCalls(1);
  const leaving = new AbortController();
  const first = search(0);
  void search(1, REQUEST, leaving.signal);
  const stays = search(2);
  void search(3, { ...REQUEST, limit: 1 }, leaving.signal);
  leaving.abort();
  sent[0]?.end();
  await first;
  sent[1]?.end();
  assert.is(await stays, "2");
  assert.equal(sent.map(({ vectors }) => vectors), [[[0]], [[2]]]); // biome-ignore format: one claim
});

batches("A failed call fails those that were in it, and the next one goes", async () => {
  const { sent, search } = openCalls(1);
  const outcomes = [search(0), search(1), search(2)].map((answer) => answer.catch((thrown: Error) => thrown.message));
  sent[0]?.end(new Error("gone"));
  assert.is(await outcomes[0], "gone");
  sent[1]?.end();
  assert.equal(await Promise.all(outcomes), ["gone", "1", "2"]);
});

batches.run();
