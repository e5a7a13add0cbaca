import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "libsql";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type DiskEmbeddings, openDiskEmbeddings } from "../../../actors/embedding/disk.ts";
import { systemClock } from "../../../runtime/clock.ts";

const test = suite("embeddings on disk");
const never = new AbortController().signal;
const DIMENSIONS = 1_536;
/** A vector of 6 KB with its key and checksum takes two pages. */
const COST = 8_192;

const vector = (seed: number) => Float32Array.from({ length: DIMENSIONS }, (_, at) => Math.sin(seed + at));
const entries = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, at) => ({ key: `model:document:${from + at}`, vector: vector(from + at) }));
const keys = (from: number, to: number) => entries(from, to).map(({ key }) => key);

async function inFolder(work: (open: (maxBytes?: number) => Promise<DiskEmbeddings>, path: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "kennel-embeddings-"));
  const path = join(folder, "embeddings.db");
  const opened: DiskEmbeddings[] = [];
  try {
    await work(async (maxBytes = 100 * COST) => {
      const store = await openDiskEmbeddings({ path, maxBytes, callTimeoutMs: 20_000, clock: systemClock() });
      opened.push(store);
      return store;
    }, path);
  } finally {
    for (const store of opened) await store.close();
    await rm(folder, { recursive: true, force: true });
  }
}

test("What was written is there again after a restart, in the order of the keys", () =>
  inFolder(async (open) => {
    const first = await open();
    await first.write(entries(0, 10), never);
    await first.write([{ key: "model:document:3", vector: vector(33) }], never);
    assert.equal(first.size, { entries: 10, bytes: 10 * COST });
    await first.close();
    const second = await open();
    assert.equal(second.size, { entries: 10, bytes: 10 * COST });
    const found = await second.read(["model:document:3", "none", "model:document:0"], never);
    assert.equal(found, [vector(33), null, vector(0)]);
  }));

test("Beyond the bound the oldest written go, and the file stays about as large", () =>
  inFolder(async (open, path) => {
    const store = await open(50 * COST);
    for (let from = 0; from < 300; from += 20) {
      await store.write(entries(from, from + 20), never);
      assert.ok(store.size.bytes <= 50 * COST, `${store.size.bytes} bytes`);
    }
    assert.ok(store.size.entries >= 40, `${store.size.entries} entries`);
    assert.equal(
      await store.read(keys(290, 300), never),
      entries(290, 300).map((entry) => entry.vector),
    );
    assert.equal(
      await store.read(keys(0, 10), never),
      keys(0, 10).map(() => null),
    );
    await store.close();
    assert.ok((await stat(path)).size < 90 * COST);
  }));

test("A row that was damaged on disk is a miss, the others are not", () =>
  inFolder(async (open, path) => {
    const store = await open();
    await store.write(entries(0, 3), never);
    await store.close();
    const database = new Database(path, { timeout: 5_000 });
    database
      .prepare("UPDATE embeddings SET bytes = (SELECT bytes FROM embeddings WHERE key = 'model:document:0') WHERE key = ?")
      .run("model:document:1");
    database.close();
    const found = await (await open()).read(keys(0, 3), never);
    assert.equal(found, [vector(0), null, vector(2)]);
  }));

test("A file that is no database, or a torn one, is started anew", () =>
  inFolder(async (open, path) => {
    await writeFile(path, "this is not a database, but it is long enough to be looked at twice".repeat(100));
    const first = await open();
    await first.write(entries(0, 40), never);
    await first.close();
    // Else the database would mend itself with what the log still holds.
    await rm(`${path}-wal`, { force: true });
    const bytes = await readFile(path);
    bytes.fill(0xff, 4_096, bytes.byteLength - 4_096);
    await writeFile(path, bytes);
    const second = await open();
    assert.equal(
      await second.read(keys(0, 40), never),
      keys(0, 40).map(() => null),
    );
    await second.write(entries(0, 1), never);
    assert.equal(await second.read(keys(0, 1), never), [vector(0)]);
  }));

test("Where the file cannot be made, opening is refused as unavailable", async () => {
  const failed = await openDiskEmbeddings({
    path: "/proc/none/embeddings.db",
    maxBytes: COST,
    callTimeoutMs: 5_000,
    clock: systemClock(),
  }).catch((error: { readonly code: string }) => error.code);
  assert.is(failed, "unavailable");
});

test.run();
