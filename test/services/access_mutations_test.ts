/**
 * The matrix on copies of the code in each of which one line is gone that keeps what is told apart: it has to find a leak in
 * every one, and none in a copy that is whole. Copies lie in a folder of their own; the code itself knows nothing of it.
 */
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { noteAccessRun, runtimeOfThis } from "../../tooling/access_matrix.ts";
import { runProcess } from "../support/command_process.ts";
import { MUTATIONS, type Mutation } from "./access_mutations.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const LEFT_OUT = ["node_modules", ".git", ".cache", "bench", "k8s", "docs", "data", join("test", "data")];
const RUNTIME_ARGS = "deno" in process.versions ? ["run", "-A", "--no-lock", "--node-modules-dir=manual"] : [];
const LIMIT_MS = 300_000;

interface Found {
  readonly leaks: number;
  readonly first: string | null;
  readonly lacks: number;
}

/** Copies that are run side by side. */
const COPIES = 2;

/** By mutation; null: of whole code. */
const results = new Map<Mutation | null, Promise<Found>>();
const test = suite<{ folders: string[] }>("the access matrix on mutated code");

test.before(async (state) => {
  state.folders = [];
  for (let copy = 0; copy < COPIES; copy++) {
    const folder = await mkdtemp(join(tmpdir(), "kennel-mutated-"));
    state.folders.push(folder);
    await cp(ROOT, folder, { recursive: true, filter: (path) => !LEFT_OUT.includes(relative(ROOT, path)) });
    await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
  }
  const queues = state.folders.map(() => Promise.resolve());
  for (const [place, mutation] of [null, ...MUTATIONS].entries()) {
    const copy = place % COPIES;
    const folder = state.folders[copy] as string;
    const found = (queues[copy] as Promise<void>).then(() => (mutation === null ? run(folder) : runMutated(folder, mutation)));
    queues[copy] = found.then(
      () => {},
      () => {}, // its own test says so
    );
    results.set(mutation, found);
  }
});

test.after(async ({ folders }) => {
  await Promise.allSettled(results.values());
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

async function run(folder: string): Promise<Found> {
  const file = join(folder, "test/journeys/access_brief_run.ts");
  const { exitCode, out, err } = await runProcess(process.execPath, [...RUNTIME_ARGS, file], {}, folder, LIMIT_MS).ended;
  assert.is(exitCode, 0, err.slice(-2_000));
  return JSON.parse(out.trim().split("\n").at(-1) ?? "") as Found;
}

async function runMutated(folder: string, { file, text, instead }: Mutation): Promise<Found> {
  const path = join(folder, file);
  const whole = await readFile(path, "utf8");
  assert.is(whole.split(text).length, 2, `${file} holds once: ${text}`);
  await writeFile(
    path,
    whole.replace(text, () => instead),
  );
  try {
    return await run(folder);
  } finally {
    await writeFile(path, whole);
  }
}

test("whole code leaks nothing and leaves nothing out", async () => {
  assert.equal(await results.get(null), { leaks: 0, first: null, lacks: 0 });
});

for (const [place, mutation] of MUTATIONS.entries()) {
  const { what, file } = mutation;
  test(`it finds out without ${what}`, async () => {
    const { leaks, first } = (await results.get(mutation)) as Found;
    assert.ok(leaks > 0, "nothing was found");
    noteAccessRun({ kind: "mutation", runtime: runtimeOfThis(), place, what, file, leaks, first: first ?? "" });
  });
}

test.run();
