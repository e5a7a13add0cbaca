/** Every block of the README that follows `<!-- runs -->` is run, in order, against a server started as the README says. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type KennelProcess, startKennel } from "../support/kennel_process.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const DEFAULT_URL = "http://127.0.0.1:7400";
const run = promisify(execFile);

/** The commands of a block, a line each; a line goes on while a quotation is open. */
function commandsOf(block: string): readonly string[] {
  const commands: string[] = [];
  let open = "";
  for (const line of block.trim().split("\n")) {
    open = open === "" ? line : `${open}\n${line}`;
    if ((open.match(/'/g)?.length ?? 0) % 2 === 1) continue;
    commands.push(open);
    open = "";
  }
  return commands;
}

const blocks = [...readFileSync(new URL("../../README.md", import.meta.url), "utf8").matchAll(/<!-- runs -->\n```sh\n([\s\S]*?)```/g)].map(
  ([, block]) => block ?? "",
);
let kennel: KennelProcess;

test.before(async () => {
  kennel = await startKennel();
  for (;;) {
    const answer = await fetch(`${kennel.url}/v1/collections`, { signal: AbortSignal.timeout(30_000) });
    const { data } = (await answer.json()) as { data: { name: string; index_version: number }[] };
    if (data.some(({ name, index_version }) => name === "kennel" && index_version > 0)) return;
    assert.not.match(kennel.output(), "was not loaded");
  }
});

test.after(() => kennel.stop());

test("The README shows examples of the command line and of HTTP", () => {
  assert.ok(blocks.length >= 6, `${blocks.length} blocks are run`);
});

for (const command of blocks.flatMap(commandsOf)) {
  test(`The README's example works: ${command.split("\n")[0]?.slice(0, 90)}`, async () => {
    const spoken = command.replaceAll(DEFAULT_URL, kennel.url);
    const { stdout } = await run("bash", ["-ec", spoken], { cwd: ROOT, env: { ...process.env, KENNEL_URL: kennel.url }, timeout: 120_000 });
    assert.ok(stdout.trim() !== "", "it prints something");
    if (!command.startsWith("curl") || command.endsWith("/metrics")) return;
    assert.not("error" in (JSON.parse(stdout) as object), `it is answered with an error: ${stdout.slice(0, 300)}`);
  });
}

test("The first question is answered from the page of documentation that tells it", async () => {
  const { stdout } = await run(
    "bash",
    ["-ec", 'npm run --silent kennel -- search kennel "what happens when a retriever crashes?" --json'],
    {
      cwd: ROOT,
      env: { ...process.env, KENNEL_URL: kennel.url },
    },
  );
  const { data } = JSON.parse(stdout) as { data: { document_id: string }[] };
  assert.ok(data.some((hit) => hit.document_id === "ARCHITECTURE.md"));
});

test.run();
