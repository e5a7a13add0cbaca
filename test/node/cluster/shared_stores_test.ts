import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Config } from "../../../config/schema.ts";
import { storesOf } from "../../../node/cluster/shared_stores.ts";
import { systemRandom } from "../../../runtime/random.ts";

const test = suite("shared stores");
const random = systemRandom();
const MILVUS = "http://milvus:19530";
const digestOf = (mongodb: string, milvus = MILVUS, embedding = "built-in") =>
  storesOf({ milvus: { url: milvus, database: "default" }, mongodb: { url: mongodb }, embedding } as unknown as Config, random);

test("Nodes with the same stores say the same, whoever asks them and in which order servers are named", () => {
  const { digest, isShared } = digestOf("mongodb://one:a,b@h1,h2:27018/docs?replicaSet=rs");
  assert.is(isShared, true);
  assert.match(digest, /^[0-9a-f]{32}$/);
  assert.is(digestOf("mongodb://two:secret@h2:27018,h1:27017/docs").digest, digest);
  assert.is(digestOf("mongodb://h2:27018,h1/docs?tags=a,b/c").digest, digest);
});

test("Another server, database or model is another store", () => {
  const addresses = ["mongodb://h1/docs", "mongodb://h2/docs", "mongodb://h1/other", "mongodb://h1", "mongodb://h1?x=/docs"];
  const said = [
    ...addresses.map((url) => digestOf(url)),
    digestOf("mongodb://h1/docs", "http://other:19530"),
    digestOf("mongodb://h1/docs", MILVUS, "other"),
  ];
  assert.is(new Set(said.map(({ digest }) => digest)).size, said.length - 1); // the last two addresses name no database
});

test("A node with stores in its own folder shares them with nobody", () => {
  const [one, other] = [digestOf(""), digestOf("")];
  assert.is(one?.isShared, false);
  assert.is.not(one?.digest, other?.digest);
  assert.match(one?.digest ?? "", /^own-[0-9a-z]+$/);
});

test.run();
