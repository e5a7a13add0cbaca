import { Buffer } from "node:buffer";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { UploadFolder } from "../../../../actors/ingest/upload_folder.ts";
import { guardedUploads } from "../../../../bridge/http/access/guarded_parts.ts";
import type { FileUploads } from "../../../../bridge/http/collaborators.ts";
import type { Grant } from "../../../../bridge/keys/grant.ts";
import { seededRandom } from "../../../../runtime/random.ts";
import { manualClock } from "../../../support/manual_clock.ts";

const grant = (scope: Grant["scope"], collections: string, more: Partial<Grant> = {}): Grant => ({
  scope,
  collections,
  tenant: null,
  principals: null,
  replacesUnseen: true,
  owner: null,
  ...more,
});
const FILE = { fileName: "a.txt", mediaType: "text/plain", purpose: "assistants" };

test("A file that waits is for keys with the collections of the key that brought it and for those with all, also after a restart", async () => {
  const folder = await mkdtemp(join(tmpdir(), "kennel-uploads-"));
  try {
    const open = async () => {
      const uploads = new UploadFolder(folder, { maxFiles: 9, maxBytes: 1_000, maxAgeMs: 1_000 }, manualClock(), seededRandom(1));
      await uploads.open();
      return uploads;
    };
    const ids = (uploads: FileUploads) => uploads.list().map(({ id }) => id);
    const before = await open();
    const { id } = await guardedUploads(before, grant("write", "docs-*")).put(FILE, new Uint8Array([1]));
    const keyless = await before.put(FILE, new Uint8Array([2]));
    for (const uploads of [before, await open()]) {
      const own = guardedUploads(uploads, grant("read", "docs-*"));
      const foreign = guardedUploads(uploads, grant("admin", "docs-1"));
      const all = guardedUploads(uploads, grant("read", "*"));
      assert.equal(ids(own), [id]);
      assert.equal(ids(all).sort(), [id, keyless.id].sort());
      assert.equal(ids(foreign), []);
      assert.is(foreign.get(id), null);
      assert.is(await foreign.content(id), null);
      assert.is(await foreign.delete(id), false);
      assert.equal(await own.content(id), Buffer.from([1]));
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test.run();
