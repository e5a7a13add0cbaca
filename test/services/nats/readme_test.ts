// What the README says of NATS, run as it is written there, and the examples, against a node started as people start it.
import { execFile } from "node:child_process";
import { delimiter, dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { NatsServer } from "../../../tooling/servers/nats.ts";
import { type LaunchedKennel, launchKennel } from "../../support/launched_kennel.ts";
import { commandsOf, documentationLoaded, readmeBlocks } from "../../support/readme_commands.ts";
import { natsCommandPath, natsPythonPath } from "../../support/services.ts";
import { startServer, until } from "./nats_rig.ts";

const test = suite("the README over NATS");
const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const LIMIT_MS = 60_000;
const run = promisify(execFile);
let server: NatsServer;
let kennel: LaunchedKennel;

test.before(async () => {
  server = await startServer();
  kennel = await launchKennel({ KENNEL_NATS_URL: server.url });
  await documentationLoaded(kennel.url, kennel.output);
  await until("the service is there", async () => {
    const { nats } = (await (await fetch(`${kennel.url}/v1/status`)).json()) as { nats: { service: string } };
    return nats.service === "running";
  });
});

test.after(async () => {
  await kennel?.stop();
  await server?.stop();
});

const blocks = readmeBlocks("runs over NATS");

async function as(command: string, args: readonly string[]): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const env = {
    ...process.env,
    PATH: `${dirname(natsCommandPath())}${delimiter}${process.env.PATH}`,
    NATS_URL: server.url,
    HOME: "/nonexistent",
  };
  return run(command, [...args], { cwd: ROOT, env, timeout: LIMIT_MS });
}

test("The README shows how the service is asked", () => assert.ok(blocks.flatMap(commandsOf).length >= 5));

for (const command of blocks.flatMap(commandsOf)) {
  test(`The README's example works: ${command.slice(0, 90)}`, async () => {
    const { stdout, stderr } = await as("bash", ["-ec", command]);
    assert.ok(stdout.trim() !== "", "it prints something");
    assert.not.match(stdout + stderr, "Nats-Service-Error");
  });
}

test("kennel status shows the connection", async () => {
  const env = { ...process.env, KENNEL_URL: kennel.url };
  const { stdout } = await run("npm", ["run", "--silent", "kennel", "--", "status"], { cwd: ROOT, env, timeout: LIMIT_MS });
  assert.match(stdout, "NATS connected to nats since ");
});

const isDeno = "deno" in process.versions;
const RUNTIME = isDeno ? ["run", "-A", "--no-lock", "--node-modules-dir=manual"] : ["--disable-warning=ExperimentalWarning"];

test("The example in TypeScript finds what it asks for and prints a conversation as it comes", async () => {
  const { stdout } = await as(process.execPath, [...RUNTIME, "examples/nats.ts", "what happens when a retriever crashes?"]);
  assert.match(stdout, /ARCHITECTURE\.md[\s\S]*not_found[\s\S]*answer: \S/);
});

test("The example that follows heartbeats asks the node that holds the collection", async () => {
  const { node } = (await (await fetch(`${kennel.url}/v1/status`)).json()) as { readonly node: string };
  const { stdout } = await as(process.execPath, [...RUNTIME, "examples/nats_cluster.ts", "what happens when a retriever crashes?"]);
  assert.match(stdout, `asking ${node}\n`);
  assert.match(stdout, "ARCHITECTURE.md");
});

test("The example in Python finds the same", async () => {
  const { stdout } = await as(natsPythonPath(), ["examples/nats_ask.py", "what happens when a retriever crashes?"]);
  assert.match(stdout, /ARCHITECTURE\.md[\s\S]*not_found[\s\S]*answer: \S/);
});

test("Nothing was refused by the permissions that the configuration names", () => assert.not.match(kennel.output(), "NotCapable"));

test.run();
