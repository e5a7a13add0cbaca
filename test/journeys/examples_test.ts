// The examples, as a reader runs them, against a node with its own documentation.
import { execFile } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { until } from "./caller.ts";
import { onNode } from "./node_rig.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const RUNTIME = "deno" in process.versions ? ["run", "-A", "--no-lock", "--node-modules-dir=manual"] : [];
const LIMIT_MS = 60_000;
const QUESTION = "what happens when a retriever crashes?";
const run = promisify(execFile);
// Deno colours what it prints wherever the variable is set, to 0 too.
const { FORCE_COLOR: _colours, ...PLAIN } = process.env;

const EXPECTED = {
  "ask.ts": /model kennel\n[\s\S]* Architecture [\s\S]*dimensions 256/,
  "mcp.ts": /Architecture http:\/\/127\.0\.0\.1:\d+\/v1\/collections\/kennel\/documents\/ARCHITECTURE\.md[\s\S]*characters \d+/,
  "langchain.ts": /^[01]\.\d\d [\s\S]* Architecture /,
  "llamaindex.ts": /^[01]\.\d\d [\s\S]* Architecture /,
} as const;

test("Each example finds what it asks for", () =>
  onNode({ KENNEL_LOAD_DOCUMENTATION: "true" }, async ({ caller }) => {
    await until("all of the documentation can be asked", async () => {
      const { status } = await caller.send("GET", "/v1/collections/kennel");
      return status === 200 && (await caller.found("kennel", { query: QUESTION })).includes("ARCHITECTURE.md");
    });
    for (const [name, expected] of Object.entries(EXPECTED)) {
      const { stdout } = await run(process.execPath, [...RUNTIME, `examples/${name}`, QUESTION], {
        cwd: ROOT,
        env: { ...PLAIN, KENNEL_URL: caller.url },
        timeout: LIMIT_MS,
      });
      assert.match(stdout, expected, name);
    }
  }));

test.run();
