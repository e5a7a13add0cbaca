import { chmodSync, chownSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parse } from "yaml";
import { longestDrainMs } from "../../config/drain.ts";
import { loadConfig } from "../../config/load.ts";
import { type BuiltImage, buildOutside, bytesOf } from "../../tooling/image/build.ts";
import { Caller } from "../journeys/caller.ts";
import { type RunningProcess, runProcess } from "../support/command_process.ts";
import { pdfOf } from "../support/pdf.ts";
import { hadolintPath } from "../support/services.ts";

interface Image {
  folder: string;
  image: BuiltImage | null;
}

const test = suite<Image>("the image", { folder: "", image: null });
/** What is built is the same whichever runtime runs its test. */
const testOnce = "deno" in process.versions ? test : test.skip;
const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const read = (name: string) => readFile(join(ROOT, name), "utf8");
/** As measured; what is added to it should be a decision. */
const MAX_MEGABYTES = 420;
const USER_ID = 65_532;

function built({ image }: Image): BuiltImage {
  if (image === null) throw new Error("The image was not built");
  return image;
}

/** A program of the image, as its user, with its environment, on a folder for data. */
function inImage(state: Image, command: readonly string[], data: string, settings: Readonly<Record<string, string>> = {}): RunningProcess {
  const { stage, locate } = built(state);
  const own = Object.entries(stage.environment).map(([name, value]) => `${name}=${value.startsWith("/app") ? locate(value) : value}`);
  const given = Object.entries({ KENNEL_DATA_DIR: data, HOME: "/nonexistent", ...settings }).map(([name, value]) => `${name}=${value}`);
  const [program = "", ...args] = command;
  const user = ["--reuid", String(USER_ID), "--regid", String(USER_ID), "--clear-groups", "--no-new-privs", "--"];
  // Nothing of this machine's environment, as in a container.
  return runProcess("setpriv", [...user, "env", "-i", "PATH=/usr/bin:/bin", ...own, ...given, locate(program), ...args], {}, data);
}

test.before(async (state) => {
  state.folder = await mkdtemp(join(tmpdir(), "kennel-image-"));
  chmodSync(state.folder, 0o755);
});

test.after(({ folder }) => rm(folder, { recursive: true, force: true }));

test("hadolint has nothing to say about the Dockerfile", async () => {
  const { exitCode, out } = await runProcess(hadolintPath(), [join(ROOT, "Dockerfile")], {}).ended;
  assert.is(out, "");
  assert.is(exitCode, 0);
});

testOnce("Its steps work in a clean folder, and what ships is production's alone and of one platform", async (state) => {
  state.image = await buildOutside(ROOT, state.folder, AbortSignal.timeout(600_000));
  const { stage, locate } = built(state);
  assert.is(stage.user, `${USER_ID}:${USER_ID}`);
  assert.equal(
    stage.steps.filter(({ kind }) => kind === "run"),
    [],
    "the last stage runs nothing: it has no package manager's leavings",
  );
  assert.ok(stage.labels["org.opencontainers.image.version"] !== undefined && "VERSION" in stage.arguments);
  const packages = await readdir(locate("/app/node_modules"));
  const { devDependencies } = JSON.parse(await read("package.json")) as { devDependencies: object };
  assert.equal(
    Object.keys(devDependencies).filter((name) => packages.includes(name)),
    [],
  );
  for (const scope of ["@lancedb", "@libsql", "@deno"]) {
    const addOns = (await readdir(locate(`/app/node_modules/${scope}`))).filter((name) => /-(x64|arm64)|(x64|arm64)-/.test(name));
    assert.is(addOns.length, 1, `${scope}: ${addOns.join(", ")}`);
  }
  for (const absent of ["test", "bench", "node_modules/onnxruntime-node", "node_modules/.bin"])
    assert.is(await stat(locate(`/app/${absent}`)).catch(() => null), null, absent);
  const megabytes = Math.round(bytesOf(locate("/app")) / 1e6);
  console.log(`the image's own layers: ${megabytes} MB`);
  assert.ok(megabytes <= MAX_MEGABYTES, `${megabytes} MB`);
});

testOnce(
  "As a user without rights, on files it cannot change, a node serves, is found healthy, reads files and leaves on SIGTERM",
  async (state) => {
    const { stage } = built(state);
    const data = join(state.folder, "data");
    await mkdir(data);
    chownSync(data, USER_ID, USER_ID);
    const settings = { KENNEL_AUTH: "off", KENNEL_HTTP_PORT: "0", KENNEL_DRAIN_GRACE_MS: "0" };
    const server = inImage(state, [...stage.entrypoint, ...stage.command], data, settings);
    try {
      const line = await server.untilOut(/Kennel serves on http:\/\/[^\s(]+/);
      const { port } = new URL(line.slice(line.indexOf("http://")));
      const caller = new Caller(`http://127.0.0.1:${port}`);
      await caller.makeCollection("papers");
      const form = new FormData();
      form.append(
        "files",
        new Blob([Uint8Array.from(pdfOf([["Glaciers carve valleys over centuries"]]))], { type: "application/pdf" }),
        "glacier.pdf",
      );
      form.append("files", new Blob(["<p>Herons nest in colonies.</p>"], { type: "text/html" }), "herons.html");
      const job = await caller.jobEnded(await caller.must("POST", "/v1/collections/papers/documents", form));
      assert.is(job.counts.indexed, 2, JSON.stringify(job));
      for (const strategy of ["hybrid", "vector", "bm25"])
        assert.is((await caller.found("papers", { query: "what carves valleys", strategy }))[0], "glacier.pdf");

      const check = (at: string) => inImage(state, stage.healthCheck ?? [], data, { KENNEL_HTTP_PORT: at }).ended;
      assert.is((await check(port)).exitCode, 0);
      assert.is((await check("9")).exitCode, 1);
      const asked = await inImage(state, [...stage.entrypoint, "backup", join(data, "papers.backup"), "--json"], data, settings).ended;
      assert.is(asked.exitCode, 0, asked.err);
      const backups = join(data, "backups");
      await mkdir(backups);
      chownSync(backups, USER_ID, USER_ID);
      for (const old of ["20260101T000000Z", "20260102T000000Z"])
        for (const end of ["", ".sha256"]) await writeFile(join(backups, `kennel-${old}.backup${end}`), "old");
      await writeFile(join(backups, "kennel-20260103T000000Z.backup.part"), "of a run that was killed");
      const scheduled = await inImage(state, ["/app/image/scheduled_backup.sh", backups, "2"], data, settings).ended;
      assert.is(scheduled.exitCode, 0, scheduled.err);
      const kept = (await readdir(backups)).sort();
      assert.equal([kept.length, kept[0]], [4, "kennel-20260102T000000Z.backup"], "the newest two with their digests");
      assert.equal((await readdir(built(state).locate("/app"))).includes("data"), true);
    } finally {
      server.kill("SIGTERM");
      const { exitCode, signal, err } = await server.ended;
      assert.equal([exitCode, signal], [0, null], err);
      assert.not.match(err, /NotCapable|EACCES|read-only/i);
    }
  },
);

testOnce("Without a word about keys, a node that listens for everybody asks each for one", async (state) => {
  const data = join(state.folder, "data");
  const { stage } = built(state);
  const server = inImage(state, [...stage.entrypoint, ...stage.command], data, { KENNEL_HTTP_PORT: "0", KENNEL_DRAIN_GRACE_MS: "0" });
  try {
    const line = await server.untilOut(/Kennel serves on http:\/\/[^\s(]+/);
    const { port } = new URL(line.slice(line.indexOf("http://")));
    await new Caller(`http://127.0.0.1:${port}`).refused("unauthorized", "GET", "/v1/collections");
  } finally {
    server.kill("SIGTERM");
    await server.ended;
  }
});

interface Service {
  readonly image: string;
  readonly build?: object;
  readonly ports?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly healthcheck?: object;
  readonly stop_grace_period?: string;
  readonly mem_limit?: string;
}

test("What compose.yaml starts is pinned, bounded, checked, published on this machine alone and configured with settings that exist", async () => {
  const { services } = parse(await read("compose.yaml"), { merge: true }) as { services: Readonly<Record<string, Service>> };
  for (const [name, { image, build, ports = [], environment = {}, healthcheck, stop_grace_period, mem_limit }] of Object.entries(
    services,
  )) {
    assert.match(image, /^[a-z/]+:v?\d+\.\d+/, name);
    assert.ok(mem_limit !== undefined, name);
    for (const port of ports) assert.match(port, /^127\.0\.0\.1:/, name);
    if (build === undefined) assert.ok(healthcheck !== undefined, name);
    else {
      const settings = { KENNEL_PROFILE: "production", KENNEL_HTTP_HOST: "0.0.0.0", ...environment };
      const config = loadConfig({ environment: settings, readFile: () => null, hostName: () => "host", workingFolder: "/" });
      assert.ok(Number.parseInt(stop_grace_period ?? "0", 10) * 1_000 > longestDrainMs(config), name);
    }
  }
});

test.run();
