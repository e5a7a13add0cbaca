/** Every command of the guides is run, in order, against a node started as they say. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { until } from "../journeys/caller.ts";
import { runProcess } from "../support/command_process.ts";
import { type KennelProcess, startKennel } from "../support/kennel_process.ts";
import { assertWorks, blocksOf, commandsOf, documentationLoaded, unmarkedBlocks } from "../support/readme_commands.ts";

const GUIDES = ["docs/OPERATIONS.md", "docs/TUNING.md"];
/** Its node asks for keys. */
const ACCESS_GUIDE = "docs/ACCESS.md";
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

test(`${ACCESS_GUIDE}: each command works in its turn, with the key that was made last, and ann is told what is for her`, async ({
  folder,
}) => {
  assert.equal(unmarkedBlocks(ACCESS_GUIDE, MARKS), []);
  const commands = blocksOf(ACCESS_GUIDE, MARKS).flatMap(({ block }) => commandsOf(block));
  assert.ok(commands.length >= 7);
  const env: Record<string, string> = { KENNEL_DATA_DIR: join(folder, "access"), KENNEL_AUTH: "required" };
  const kennel = await startKennel({ ...env, KENNEL_LOAD_DOCUMENTATION: "false" });
  try {
    for (const command of commands) {
      const isQuestion = command.includes("/search");
      if (isQuestion) await documentsFound(kennel.url, env.OPERATOR ?? "");
      const printed = await assertWorks(command, kennel.url, env);
      if (isQuestion) assert.match(printed, '"document_id":"salaries"', "which is for staff and ann");
      const [key] = /kennel_[0-9a-f]{12}_[\w-]{43}/.exec(printed) ?? [];
      assert.is(key !== undefined, command.includes("keys create"), command);
      if (key === undefined) continue;
      env.OPERATOR ??= key;
      env.KENNEL_API_KEY = key;
      await until("the key is taken", async () => (await ask(kennel.url, key)).status === 200);
    }
  } finally {
    await kennel.stop();
  }
});

function ask(url: string, key: string, path = "/v1/collections"): Promise<Response> {
  return fetch(`${url}${path}`, { headers: { authorization: `Bearer ${key}` } });
}

/** Waits until the documents that were sent can be found. */
async function documentsFound(url: string, key: string): Promise<void> {
  await until("the documents are indexed", async () => {
    const { data } = (await (await ask(url, key, "/v1/collections/notes/documents")).json()) as { data: { state: string }[] };
    return data.length > 0 && data.every(({ state }) => state === "indexed");
  });
}

test.run();
