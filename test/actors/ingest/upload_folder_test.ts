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
  assert.equal({ ...next.get(id), id: "", createdAtMs: 0 }, { ...FILE, bytes: 60, id: "", createdAtMs: 0, audience: "*" });
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
