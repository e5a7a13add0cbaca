import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type RunningProcess, runProcess } from "../support/command_process.ts";

const test = suite("npm start");
const LAUNCHER = fileURLToPath(new URL("../../tooling/launch.mjs", import.meta.url));

/** Any Node can launch: the machine's own, or the one that this test runs on. */
const node = "deno" in process.versions ? "node" : process.execPath;
const launch = (args: readonly string[], env: Readonly<Record<string, string>>): RunningProcess =>
  runProcess(node, [LAUNCHER, ...args], env);

test("Started with named permissions, a node loads a document, answers, and leaves on SIGTERM with exit code 0", async () => {
  const folder = await mkdtemp(join(tmpdir(), "kennel-launch-"));
  const server = launch(["serve"], { KENNEL_HTTP_PORT: "0", KENNEL_DATA_DIR: join(folder, "data"), KENNEL_PROFILE: "test" });
  try {
    const url = /http:\/\/[^\s(]+/.exec(await server.untilOut(/Kennel serves on http:\/\/[^\s(]+/))?.[0] as string;
    await writeFile(join(folder, "note.html"), "<p>Herons nest in colonies.</p>");
    const loaded = await launch(["ingest", "birds", join(folder, "note.html"), "--json"], { KENNEL_URL: url }).ended;
    assert.is(loaded.exitCode, 0, loaded.err);
    const found = await launch(["search", "birds", "where do herons nest", "--json"], { KENNEL_URL: url }).ended;
    assert.match(JSON.parse(found.out).data[0].text, "Herons nest in colonies");
    assert.is(JSON.parse(found.out).mode, "full");
    const backup = join(folder, "birds.backup");
    const saved = await launch(["backup", backup], { KENNEL_DATA_DIR: join(folder, "data") }).ended;
    assert.is(saved.exitCode, 0, saved.err);
    const restored = await launch(["restore", backup], { KENNEL_DATA_DIR: join(folder, "other") }).ended;
    assert.is(restored.exitCode, 0, restored.err);
  } finally {
    server.kill("SIGTERM");
    const { exitCode, signal, out, err } = await server.ended;
    await rm(folder, { recursive: true, force: true });
    assert.equal([exitCode, signal], [0, null], err);
    assert.is(out.split("Kennel serves on").length, 2, "its output comes once");
    assert.not.match(out + err, "NotCapable");
  }
});

test("Started from another folder, a node reads the configuration that lies there", async () => {
  const folder = await mkdtemp(join(tmpdir(), "kennel-launch-"));
  await writeFile(join(folder, "kennel.json"), JSON.stringify({ profile: "test", http: { port: 0 }, dataDir: "own" }));
  const server = runProcess(node, [LAUNCHER, "serve"], {}, folder);
  try {
    assert.match(await server.untilOut(/Kennel serves on .*own/), join(folder, "own"));
  } finally {
    server.kill("SIGTERM");
    const { exitCode, err } = await server.ended;
    await rm(folder, { recursive: true, force: true });
    assert.is(exitCode, 0, err);
  }
});

test("A wrong configuration is told once and ends the start with exit code 2", async () => {
  const { exitCode, out, err } = await launch(["serve"], { KENNEL_HTTP_PORT: "many", KENNEL_HTTP_PROT: "1" }).ended;
  assert.is(exitCode, 2);
  assert.is(out, "");
  assert.is(err.split("The configuration has 2 problems").length, 2);
});

test("A command's exit code is the launcher's", async () => {
  assert.is((await launch(["config", "check"], {}).ended).exitCode, 0);
  assert.is((await launch(["search"], {}).ended).exitCode, 2);
  assert.is((await launch(["status"], { KENNEL_URL: "http://127.0.0.1:9" }).ended).exitCode, 1);
});

test.run();
