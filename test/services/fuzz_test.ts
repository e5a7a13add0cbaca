// Every route of a running node, fuzzed by schemathesis from the node's own OpenAPI document.
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { NDJSON_TYPE } from "../../bridge/http/uploads.ts";
import { startKennel } from "../support/kennel_process.ts";
import { schemathesisPath } from "../support/services.ts";

const SEED = process.env.FUZZ_SEED ?? "20260105";
const EXAMPLES_PER_ROUTE = 40;
const LIMIT_MS = 300_000;

/**
 * Not checked, with the reason:
 * - `positive_data_acceptance`: some rules can't be said in JSON Schema, such as that a filter's keys are attributes of
 *   its collection, or that candidate_k is at least top_k.
 * - 504 as a server error: the fuzzer asks for deadlines of a millisecond, and gets what it asked for.
 * - A cancelled job that is still shown: cancelling is all that DELETE does to a job. A flag that was reset is still there, too.
 */
const CONFIG = `
hooks = "hooks.py"

[checks]
positive_data_acceptance.enabled = false
# The usual ones, and 413: a body that breaks the rules may also be too large.
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 428, 429, "5xx"]
not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", 504]

[[operations]]
include-path = "/v1/jobs/{job}"
checks.use_after_free.enabled = false

[[operations]]
include-path = "/v1/flags/{flag}"
checks.use_after_free.enabled = false

[[operations]]
include-path = "/mcp"
# JSON-RPC says in an answer of 200 what it refuses.
checks.negative_data_rejection.enabled = false

[[operations]]
include-path = "/readyz"
checks.not_a_server_error.expected-statuses = ["2xx", "4xx", 503]
`;

/** A header that nobody knows is to be ignored (RFC 9110, 5.1), so a request with one breaks no rule, whatever the fuzzer says of it. */
const HOOKS = `
import schemathesis

@schemathesis.hook
def filter_case(context, case):
    return not any("unknown-property" in name.lower() for name in case.headers or {})
`;

const test = suite("fuzzed routes");
const kennel = await startKennel();
const folder = await mkdtemp(join(tmpdir(), "kennel-fuzz-"));

test.after(async () => {
  await kennel.stop();
  await rm(folder, { recursive: true, force: true });
});

async function json(path: string, init: RequestInit = {}): Promise<Record<string, unknown>> {
  const response = await fetch(kennel.url + path, init);
  return (await response.json()) as Record<string, unknown>;
}

/** The document with the media type left out that schemathesis can't write: lines of JSON. */
async function writeDocument(): Promise<string> {
  const document = await json("/openapi.json");
  const paths = document.paths as Record<string, Record<string, { requestBody?: { content: Record<string, unknown> } }>>;
  for (const item of Object.values(paths)) for (const operation of Object.values(item)) delete operation.requestBody?.content[NDJSON_TYPE];
  const path = join(folder, "openapi.json");
  await writeFile(path, JSON.stringify(document));
  return path;
}

function runSchemathesis(args: readonly string[]): Promise<{ readonly code: number | null; readonly output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(schemathesisPath(), args, { cwd: folder, timeout: LIMIT_MS, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (piece: Buffer) => (output += piece.toString()));
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, output }));
  });
}

test("No generated request, valid or not, makes the node answer against its document", async () => {
  const attributes = { lang: "string", year: "number" };
  await json("/v1/collections/docs", {
    method: "PUT",
    body: JSON.stringify({ attributes }),
    headers: { "content-type": "application/json" },
  });
  const document = await writeDocument();
  const config = join(folder, "schemathesis.toml");
  await writeFile(config, CONFIG);
  await writeFile(join(folder, "hooks.py"), HOOKS);
  const { code, output } = await runSchemathesis([
    "--config-file",
    config,
    "run",
    document,
    "--url",
    kennel.url,
    "--seed",
    SEED,
    "--max-examples",
    String(EXAMPLES_PER_ROUTE),
    "--request-timeout",
    "65",
    "--suppress-health-check",
    "all",
    "--warnings",
    "off",
    "--no-color",
  ]);
  assert.is(code, 0, `seed ${SEED}\n${output}`);
});

test("The node is ready after it, and logged no failure inside", async () => {
  assert.equal(await json("/readyz"), { status: "ok" });
  const failures = kennel
    .output()
    .split("\n")
    .filter((line) => line.includes("A request failed inside the server"));
  assert.equal(failures, []);
});

test.run();
