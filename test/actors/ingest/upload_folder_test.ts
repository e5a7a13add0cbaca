import { mkdtemp, readdir, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { UploadFolder } from "../../../actors/ingest/upload_folder.ts";
import { seededRandom } from "../../../runtime/random.ts";
import { type ManualClock, manualClock } from "../../support/manual_clock.ts";

const LIMITS = { maxFiles: 3, maxBytes: 100, maxAgeMs: 1_000 };
const FILE = { fileName: "a\nb.txt", mediaType: "text/plain", purpose: "assistants" };

const test = suite("Upload folder");
const folders: string[] = [];

test.after(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "kennel-uploads-"));
  folders.push(folder);
  return folder;
}

async function opened(path: string, clock: ManualClock): Promise<UploadFolder> {
  const uploads = new UploadFolder(path, LIMITS, clock, seededRandom(3));
  await uploads.open();
  return uploads;
}

async function codeOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => null,
    (thrown) => (thrown as { readonly code?: unknown }).code,
  );
}

test("A file comes back as it was sent, from the next process too", async () => {
  const [path, clock] = [await newFolder(), manualClock()];
  const content = Uint8Array.from({ length: 60 }, (_, place) => place);
  const { id } = await (await opened(path, clock)).put(FILE, content);
  const next = await opened(path, clock);
  assert.equal({ ...next.get(id), id: "", createdAtMs: 0 }, { ...FILE, bytes: 60, id: "", createdAtMs: 0, audience: "*", owner: null });
  assert.equal([...((await next.content(id)) ?? [])], [...content]);
  assert.is(await codeOf(next.put(FILE, content)), "storage_full", "the bytes of an earlier process count");
});

test("Beyond the limits nothing is taken, and what is deleted makes room", async () => {
  const uploads = await opened(await newFolder(), manualClock());
  const ids: string[] = [];
  for (let count = 0; count < LIMITS.maxFiles; count++) ids.push((await uploads.put(FILE, new Uint8Array(10))).id);
  assert.is(await codeOf(uploads.put(FILE, new Uint8Array(0))), "storage_full");
  assert.is(await uploads.delete(ids[0] as string), true);
  assert.is(await uploads.delete(ids[0] as string), false);
  assert.is(await codeOf(uploads.put(FILE, new Uint8Array(81))), "storage_full");
  assert.is(await codeOf(uploads.put(FILE, new Uint8Array(80))), null);
});

test("One owner has at most three times the room that is left, in bytes and in files, and is told what is allowed", async () => {
  const [path, clock] = [await newFolder(), manualClock()];
  const limits = { maxFiles: 8, maxBytes: 100, maxAgeMs: 1_000 };
  const open = async () => {
    const uploads = new UploadFolder(path, limits, clock, seededRandom(4));
    await uploads.open();
    return uploads;
  };
  const put = (uploads: UploadFolder, owner: string | null, bytes: number) => uploads.put({ ...FILE, owner }, new Uint8Array(bytes));
  const before = await open();
  assert.is(await codeOf(put(before, "acme", 76)), "storage_full", "more than three quarters of the room");
  await put(before, "acme", 70);
  const uploads = await open(); // owners outlive the process
  const refusal = await put(uploads, "acme", 6).catch((thrown) => thrown as Error);
  assert.is(
    (refusal as Error).message,
    "The file has 6 bytes, and 1 files with 70 bytes wait already that belong to no collection; allowed now: 5 more with 5 bytes, for one caller at most 3 times what is left for others; delete some, or let collections take them",
  );
  await put(uploads, "acme", 5);
  assert.is(await codeOf(put(uploads, "beta", 19)), "storage_full");
  await put(uploads, "beta", 18);
  await put(uploads, null, 7); // whom nothing but the whole room bounds
  assert.is(await codeOf(put(uploads, null, 1)), "storage_full");
  for (const { id } of uploads.list()) await uploads.delete(id);
  for (let count = 0; count < 6; count++) await put(uploads, "acme", 1);
  assert.is(await codeOf(put(uploads, "acme", 1)), "storage_full", "three quarters of the files");
  await put(uploads, "beta", 1);
  assert.is(await codeOf(put(uploads, "beta", 1)), "storage_full");
  await put(uploads, null, 1);
});

test("A file is not given out beyond its age, and goes when another comes", async () => {
  const [path, clock] = [await newFolder(), manualClock()];
  const uploads = await opened(path, clock);
  const { id } = await uploads.put(FILE, new Uint8Array(100));
  clock.advanceNow(1_001);
  assert.equal([uploads.get(id), await uploads.content(id), uploads.list()], [null, null, []]);
  const { id: other } = await uploads.put(FILE, new Uint8Array(100));
  assert.equal(await readdir(path), [other]);
});

test("A draft and a damaged file are removed by the next process", async () => {
  const [path, clock] = [await newFolder(), manualClock()];
  const { id } = await (await opened(path, clock)).put(FILE, new Uint8Array(10));
  await truncate(join(path, id), 5);
  await writeFile(join(path, `file-${"0".repeat(24)}.draft`), "half");
  assert.equal((await opened(path, clock)).list(), []);
  assert.equal(await readdir(path), []);
});

test.run();
