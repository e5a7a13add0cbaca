import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { scheduledBackup } from "../../../actors/janitor/scheduled_backup.ts";
import { manualClock } from "../../support/manual_clock.ts";

const test = suite<{ folder: string }>("scheduled backups");
const HOUR_MS = 3_600_000;
const signal = new AbortController().signal;

test.before.each(async (context) => {
  context.folder = await mkdtemp(join(tmpdir(), "kennel-backups-"));
});
test.after.each(({ folder }) => rm(folder, { recursive: true, force: true }));

function taskIn(folder: string, make = (path: string) => writeFile(path, "x").then(() => writeFile(`${path}.sha256`, "y"))) {
  const clock = manualClock();
  const parts = { folder: join(folder, "backups"), nodeName: "a", intervalMs: 24 * HOUR_MS, keep: 2, checkMs: 60_000, make, clock };
  return {
    clock,
    run: (isAsked = false) => scheduledBackup(parts).run(signal, isAsked),
    found: async () => (await readdir(parts.folder)).sort(),
  };
}

test("One is made when the newest is old enough, or asked for, also after a restart; so many are kept with their digests", async ({
  folder,
}) => {
  const { clock, run, found } = taskIn(folder);
  assert.is(await run(), 1);
  await clock.advance(23 * HOUR_MS);
  assert.is(await run(), 0, "each call stands for a process that has just started");
  await clock.advance(HOUR_MS);
  assert.is(await run(), 1);
  await clock.advance(HOUR_MS);
  assert.is(await run(true), 1, "an operator does not wait");
  assert.equal(await found(), [
    "kennel-a-20260102T000000Z.backup",
    "kennel-a-20260102T000000Z.backup.sha256",
    "kennel-a-20260102T010000Z.backup",
    "kennel-a-20260102T010000Z.backup.sha256",
  ]);
});

test("What others keep in the folder stays, and a backup that fails removes none", async ({ folder }) => {
  const { clock, run, found } = taskIn(folder);
  await run();
  const others = ["kennel-a-b-20200101T000000Z.backup", "kennel-b-20200101T000000Z.backup", "kennel-a-monday.backup", "notes.txt"];
  for (const name of others) await writeFile(join(folder, "backups", name), "x");
  for (let made = 0; made < 3; made++) {
    await clock.advance(24 * HOUR_MS);
    await run();
  }
  const kept = await found();
  for (const name of others) assert.ok(kept.includes(name), name);
  const failing = taskIn(folder, () => Promise.reject(new Error("the disk is full")));
  await failing.clock.advance(30 * 24 * HOUR_MS);
  let message = "";
  await failing.run().catch((thrown: Error) => (message = thrown.message));
  assert.is(message, "the disk is full");
  assert.equal(await found(), kept);
});

test.run();
