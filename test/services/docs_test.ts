/** Every command of the operations guide and of the tuning guide is run, in order, against a node started as they say. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runProcess } from "../support/command_process.ts";
import { type KennelProcess, startKennel } from "../support/kennel_process.ts";
import { assertWorks, blocksOf, commandsOf, documentationLoaded, unmarkedBlocks } from "../support/readme_commands.ts";

const GUIDES = ["docs/OPERATIONS.md", "docs/TUNING.md"];
const START_LIMIT_MS = 120_000;
const MARKS = ["runs", "starts"];

const test = suite<{ kennel: KennelProcess; folder: string; env: Record<string, string> }>("guides");

test.before(async (context) => {
  context.folder = await mkdtemp(join(tmpdir(), "kennel-guides-"));
  context.env = { KENNEL_DATA_DIR: join(context.folder, "data") };
  context.kennel = await startKennel(context.env);
  await documentationLoaded(context.kennel.url, context.kennel.output);
});

test.after(async ({ kennel, folder }) => {
  await kennel.stop();
  await rm(folder, { recursive: true, force: true });
});

/** The folders that guides write of, as ones of this test. */
const local = (command: string, folder: string) =>
  command.replaceAll("/var/backups/kennel", join(folder, "backups")).replaceAll("/var/lib/kennel-restored", join(folder, "restored"));

/** Starts a node as it is written, waits until it is ready, and has it drain. */
async function assertStarts(command: string, folder: string): Promise<void> {
  assert.match(command, /npm start$/);
  const asWritten = local(command, folder).replace(/npm start$/, "exec node tooling/launch.mjs serve");
  const settings = { KENNEL_HTTP_PORT: "0", KENNEL_DATA_DIR: join(folder, "another"), KENNEL_LOAD_DOCUMENTATION: "false" };
  const server = runProcess("bash", ["-ec", asWritten], settings, process.cwd(), START_LIMIT_MS);
  await server.untilOut(/Kennel serves on http:/);
  server.kill("SIGTERM");
  assert.is((await server.ended).exitCode, 0, server.output());
}

for (const guide of GUIDES) {
  test(`${guide} has no command that is not run`, () => {
    assert.equal(unmarkedBlocks(guide, MARKS), []);
    assert.ok(blocksOf(guide, MARKS).length >= 4);
  });
  for (const { mark, block } of blocksOf(guide, MARKS)) {
    for (const command of commandsOf(block)) {
      test(`${guide}: ${command.split("\n")[0]?.slice(0, 100)}`, async ({ kennel, folder, env }) => {
        if (mark === "starts") await assertStarts(command, folder);
        else await assertWorks(local(command, folder), kennel.url, env);
      });
    }
  }
}

test.run();
