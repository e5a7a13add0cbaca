/** A data folder as the first version left it when its process was killed; see test/data/older/README.md. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SCHEMA_VERSION } from "../../actors/document_store/libsql/schema.ts";
import { type KennelProcess, startKennel } from "../support/kennel_process.ts";
import { Caller, until } from "./caller.ts";

const ARCHIVE = fileURLToPath(new URL("../data/older/data_folder_format_1.tar.gz", import.meta.url));

const folder = mkdtempSync(join(tmpdir(), "kennel-older-data-"));
const data = join(folder, "data");
const test = suite("data of an older version");
let node: KennelProcess;
let caller: Caller;

async function start(): Promise<void> {
  node = await startKennel({ KENNEL_DATA_DIR: data, KENNEL_LOAD_DOCUMENTATION: "false" });
  caller = new Caller(node.url);
}

const documents = async () => {
  const { data: listed } = await caller.must<{ readonly data: readonly { readonly id: string }[] }>(
    "GET",
    "/v1/collections/pets/documents",
  );
  return listed.map(({ id }) => id).sort();
};

test.before(async () => {
  execFileSync("tar", ["-xzf", ARCHIVE, "-C", folder]);
  await start();
});

test("Its documents, attributes and aliases are there, and are found", async () => {
  assert.equal(await documents(), ["doc.md", "empty", "kim", "rex", "tom"]);
  const { data: hits, mode } = await caller.search("animals", { query: "dog", filters: { type: "eq", key: "year", value: 2021 } });
  assert.is(mode, "full");
  assert.equal(
    hits.map(({ document_id: id, url, attributes }) => ({ id, url, attributes })),
    [{ id: "rex", url: "https://example.org/rex", attributes: { year: 2021 } }],
  );
  assert.is((await caller.found("pets", { query: "parrot" }))[0], "doc.md");
});

test("The job that it had accepted and not begun goes on", async () => {
  await until("the last document is found", async () => (await caller.found("pets", { query: "hamster", strategy: "bm25" }))[0] === "kim");
});

test("It takes documents, and its index is built anew beside the old one", async () => {
  await caller.addDocuments("pets", [{ id: "ivy", text: "Ivy is a tortoise", principals: ["user:ann"] }]);
  assert.is((await caller.found("pets", { query: "tortoise", strategy: "bm25" }))[0], "ivy");
  await caller.jobEnded(await caller.must("POST", "/v1/collections/pets/reindex", {}));
  assert.is((await caller.collection("pets")).version, 2);
  assert.is((await caller.found("animals", { query: "cat" }))[0], "tom");
});

test("Its format has been brought forward, and the folder opens again", async () => {
  await node.stop();
  const { default: Database } = await import("libsql");
  const database = new Database(join(data, "kennel.db"));
  assert.is((database.prepare("PRAGMA user_version").get() as { readonly user_version: number }).user_version, SCHEMA_VERSION);
  database.close();
  await start();
  assert.equal(await documents(), ["doc.md", "empty", "ivy", "kim", "rex", "tom"]);
});

test.after(async () => {
  await node?.stop();
  rmSync(folder, { recursive: true, force: true });
});

test.run();
