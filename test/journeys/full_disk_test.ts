import { execFileSync } from "node:child_process";
import { mkdtemp, rm, statfs, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { WireError } from "../../bridge/schema/errors.ts";
import type { WireJob } from "../../bridge/schema/jobs.ts";
import type { Caller } from "./caller.ts";
import { onNode } from "./node_rig.ts";

const DISK = "24m";
/** A text of about a megabyte, different for each number. */
const longText = (number: number) => `page ${number} `.repeat(100_000);

/** A file system of its own, so small that it can be filled. */
async function onSmallDisk(journey: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "kennel-disk-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${DISK}`, "tmpfs", folder], { stdio: "pipe" });
  } catch (cause) {
    await rm(folder, { recursive: true });
    throw new Error("Cannot mount a tmpfs, which this test fills; run it as root of a container or machine that may mount", { cause });
  }
  try {
    await journey(folder);
  } finally {
    execFileSync("umount", ["--lazy", folder]);
    await rm(folder, { recursive: true });
  }
}

/** Takes what is free, to the last block. */
async function fill(file: string): Promise<void> {
  const { bavail, bsize } = await statfs(join(file, ".."));
  await writeFile(file, Buffer.alloc(bavail * bsize));
}

async function found(caller: Caller): Promise<string[]> {
  return (await caller.found("kept", { query: "kept words", filters: { type: "eq", key: "isKept", value: true } })).sort();
}

test("On a full disk a write is refused with storage_full, what is stored is found, and writes go on when there is space again", () =>
  onSmallDisk((folder) =>
    onNode({ KENNEL_DATA_DIR: join(folder, "data") }, async (rig) => {
      const { caller } = rig;
      await caller.makeCollection("kept", { resident: "never" });
      await caller.addDocuments("kept", [{ id: "one", text: "kept words", attributes: { isKept: true } }]);
      const ballast = join(folder, "ballast");
      await fill(ballast);
      const path = "/v1/collections/kept/documents";
      const refusal = await caller.send<WireError>("POST", path, { documents: [{ id: "long", text: longText(1) }] });
      assert.equal([refusal.status, refusal.body.error?.code], [507, "storage_full"]);
      assert.equal(await found(caller), ["one"]);
      assert.is((await caller.must<{ text: string }>("GET", `${path}/one`)).text, "kept words");
      assert.equal(await caller.must("GET", "/readyz"), { status: "ok" });
      await caller.refused("not_found", "GET", `${path}/long`);

      await truncate(ballast, 0);
      const job = await caller.must<WireJob>("POST", path, {
        documents: [{ id: "two", text: "kept words", attributes: { isKept: true } }],
      });
      assert.is((await caller.jobEnded(job)).status, "completed");
      assert.equal(await found(caller), ["one", "two"]);
      await rig.restart();
      assert.equal(await found(rig.caller), ["one", "two"]);
    }),
  ));

test.run();
