import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { checkOutOlder, NoOlderVersion } from "../../tooling/older_version.ts";

const LIMIT_MS = 60_000;
const folder = mkdtempSync(join(tmpdir(), "kennel-older-"));
const root = join(folder, "repository");
const test = suite("older version");

const here = (name: string) => ({ root: join(folder, name), cache: join(folder, `${name}-cache`) });
const limit = () => AbortSignal.timeout(LIMIT_MS);
const git = (...args: string[]) =>
  execFileSync("git", ["-c", "user.name=test", "-c", "user.email=test@example.org", ...args], { cwd: root, encoding: "utf8" }).trim();

function commit(files: Readonly<Record<string, string>>): string {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, path, ".."), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  git("add", "--all");
  git("commit", "--quiet", "--message", "a change");
  return git("rev-parse", "HEAD").slice(0, 12);
}

async function refusal(repository: { readonly root: string; readonly cache: string }, ref: string | null): Promise<string> {
  try {
    await checkOutOlder(ref, limit(), repository);
  } catch (thrown) {
    assert.instance(thrown, NoOlderVersion);
    return (thrown as Error).message;
  }
  throw new Error("It was checked out");
}

test.before(() => {
  mkdirSync(root);
  git("init", "--quiet");
});

test("Without a tag the older version is the first commit with the chart, with this checkout's packages as links", async () => {
  commit({ "package-lock.json": "{}", ".gitignore": "node_modules/", said: "before the chart" });
  const first = commit({ "k8s/chart/Chart.yaml": "name: kennel", said: "with the chart" });
  commit({ "k8s/chart/Chart.yaml": "name: kennel # changed", said: "today" });
  mkdirSync(join(root, "node_modules"));
  writeFileSync(join(root, "node_modules/package"), "text");
  const older = await checkOutOlder(null, limit(), here("repository"));
  assert.is(older.commit, first);
  assert.is(readFileSync(join(older.folder, "said"), "utf8"), "with the chart");
  assert.is(statSync(join(older.folder, "node_modules/package")).ino, statSync(join(root, "node_modules/package")).ino);
  await older.remove();
  assert.not.ok(existsSync(older.folder));
  assert.is(git("worktree", "list").split("\n").length, 1);
});

test("The newest tag before this commit goes before it, and what is named before both", async () => {
  git("tag", "v1");
  const second = commit({ said: "tomorrow" });
  git("tag", "v2");
  const tagged = await checkOutOlder(null, limit(), here("repository"));
  assert.is(tagged.ref, "v1");
  assert.is(readFileSync(join(tagged.folder, "said"), "utf8"), "today");
  const again = await checkOutOlder("v1", limit(), here("repository")); // the run before it was killed
  assert.is(again.folder, tagged.folder);
  await again.remove();
  const named = await checkOutOlder("HEAD", limit(), here("repository"));
  assert.is(named.commit, second);
  await named.remove();
});

test("What is not in the history is said: no commit, a shallow clone, a folder without one", async () => {
  assert.is(await refusal(here("repository"), "nothing"), '"nothing" names no commit here');
  assert.is(await refusal(here("repository"), "--help"), '"--help" names no commit here');
  execFileSync("git", ["clone", "--quiet", "--depth", "1", `file://${root}`, join(folder, "shallow")]);
  git("tag", "--delete", "v1", "v2");
  assert.match(
    await refusal(here("shallow"), null),
    /^There is no tag to upgrade from, and this clone is shallow: .* git fetch --unshallow/,
  );
  assert.match(await refusal(here("shallow"), "v1"), /^"v1" names no commit here; this clone is shallow/);
  mkdirSync(join(folder, "tarball"));
  assert.match(await refusal(here("tarball"), null), /^An older version is taken out of git's history, and this folder has none/);
});

test.after(() => rmSync(folder, { recursive: true, force: true }));

test.run();
