import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
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

test("With TLS, keys, an audit log and a secret from a file, named permissions are enough, and those that the command prints are these", async () => {
  const folder = await mkdtemp(join(tmpdir(), "kennel-launch-"));
  const certificates = fileURLToPath(new URL("../data/tls/", import.meta.url));
  await writeFile(join(folder, "secret"), "sk-of-a-file\n");
  const env = {
    KENNEL_HTTP_PORT: "0",
    KENNEL_PROFILE: "test",
    KENNEL_DATA_DIR: join(folder, "data"),
    KENNEL_AUTH: "required",
    KENNEL_KEYS_FILE: join(folder, "keys", "keys.json"),
    KENNEL_KEYS_CHECK_MS: "100",
    KENNEL_AUDIT_TO: "file",
    KENNEL_TLS_CERT_FILE: join(certificates, "server.pem"),
    KENNEL_TLS_KEY_FILE: join(certificates, "server.key"),
    OPENAI_API_KEY_FILE: join(folder, "secret"),
  };
  const printed = (await launch(["config", "permissions"], env).ended).out.trim().split("\n");
  assert.ok(
    printed.some(
      (flag) => flag.startsWith("--allow-read=") && flag.includes(join(folder, "secret")) && flag.includes(certificates.slice(0, -1)),
    ),
  );
  assert.equal([printed.includes("--allow-all"), printed.some((flag) => /^--allow-(read|write|net|ffi|run)$/.test(flag))], [false, false]);
  const made = await launch(["keys", "create", "--name", "t", "--scope", "write", "--collections", "*"], env).ended;
  assert.is(made.exitCode, 0, made.err);
  const server = launch(["serve"], env);
  try {
    const url = /https:\/\/[^\s(]+/.exec(await server.untilOut(/Kennel serves on https:\/\/[^\s(]+/))?.[0] as string;
    const client = { KENNEL_URL: url, KENNEL_API_KEY: made.out.trim(), DENO_CERT: join(certificates, "authority.pem") };
    await writeFile(join(folder, "note.txt"), "Herons nest in colonies.");
    const loaded = await launch(["ingest", "birds", join(folder, "note.txt"), "--json"], client).ended;
    assert.is(loaded.exitCode, 0, loaded.err);
    const found = await launch(["search", "birds", "where do herons nest", "--json"], client).ended;
    assert.match(JSON.parse(found.out).data[0].text, "Herons nest in colonies", found.err);
    const audit = await readFile(join(folder, "data", "audit", "audit.log"), "utf8");
    assert.match(audit, '"route":"/v1/collections/{collection}/documents"');
  } finally {
    server.kill("SIGTERM");
    const { exitCode, out, err } = await server.ended;
    await rm(folder, { recursive: true, force: true });
    assert.is(exitCode, 0, err);
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
