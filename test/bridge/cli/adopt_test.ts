import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runCommand } from "./command_run.ts";
import { startScriptedServer } from "./scripted_server.ts";
import { wireCollection } from "./wire_samples.ts";

const test = suite("kennel adopt");

const ADOPT = {
  collection: "articles",
  mode: "read_only" as const,
  fields: { id: "pk", vector: "embedding", text: "body", document_id: null, title: null, url: null },
};
const ADOPTED = {
  dimensions: 256,
  metric: "L2" as const,
  index: "IVF_FLAT",
  lexical: "none" as const,
  strategies: ["vector"],
  text_queries: true,
  attributes: { year: "number" },
  ignored: [{ field: "meta", type: "JSON" }],
  notes: ["Milvus has no BM25 function over its text: it is searched by vectors alone"],
};
const FOREIGN = {
  object: "vector_store.collection",
  name: "articles",
  adopted_as: ["press"],
  rows: 6,
  fields: [{ name: "pk", type: "Int64", dimensions: null, is_primary_key: true }],
  adopt: ADOPT,
  adopted: ADOPTED,
  problem: null,
  read_only_because: "its key is Milvus' own",
};

async function run(args: readonly string[], body: object) {
  const server = await startScriptedServer(() => ({ body }));
  try {
    return { ...(await runCommand(["adopt", ...args], { environment: { KENNEL_URL: server.url } })), requests: server.requests };
  } finally {
    await server.close();
  }
}

test("Without a name it lists what others have made, and which of it is adopted", async () => {
  const data = [{ object: "vector_store.collection", name: "articles", adopted_as: ["press"] }];
  const { exitCode, out, requests } = await run([], { object: "list", data });
  assert.equal([exitCode, out], [0, "articles  (adopted as press)"]);
  assert.equal([requests[0]?.method, requests[0]?.path], ["GET", "/v1/vector_store/collections"]);
});

test("With a name it shows the mapping and changes nothing", async () => {
  const { exitCode, out, requests } = await run(["articles"], FOREIGN);
  assert.is(exitCode, 0);
  for (const words of [
    "6 rows",
    "id           pk (Int64)",
    "text         body",
    "document_id  none",
    "year (number)",
    "meta (JSON)",
    "L2, IVF_FLAT",
  ])
    assert.match(out, words);
  assert.match(out, "Read-only: its key is Milvus' own");
  assert.equal(requests.map(({ method }) => method), ["GET"]); // biome-ignore format: one claim
});

test("One that can't be adopted as it stands says why, and the command has failed", async () => {
  const { exitCode, out } = await run(["articles"], {
    ...FOREIGN,
    adopt: null,
    adopted: null,
    problem: "adopt.fields.text has several candidates",
  });
  assert.is(exitCode, 1);
  assert.match(out, "several candidates");
});

test("With --as it adopts, with the fields and the mode that are given", async () => {
  const made = wireCollection("news");
  const body = { ...made, settings: { ...made.settings, adopt: ADOPT }, adopted: ADOPTED };
  const args = ["articles", "--as", "news", "--mode", "read_only", "--field", "text=body", "--field", "title="];
  const { exitCode, out, requests } = await run(args, body);
  assert.is(exitCode, 0);
  assert.match(out, "news has adopted articles, read_only");
  assert.equal([requests[0]?.method, requests[0]?.path], ["PUT", "/v1/collections/news"]);
  assert.equal(JSON.parse(requests[0]?.body ?? ""), {
    adopt: { collection: "articles", mode: "read_only", fields: { text: "body", title: null } },
  });
});

test("A field without a role is wrong usage", async () => {
  const { exitCode, err } = await run(["articles", "--as", "news", "--field", "body"], {});
  assert.is(exitCode, 2);
  assert.match(err, "role=field");
});

test.run();
