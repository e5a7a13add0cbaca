/** An older version of this repository as a folder that can be started: a worktree of its commit, with the packages of its own lock file. */
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ROOT, runCommand } from "./command.ts";
import { CACHE, succeed } from "./services/install.ts";

export interface OlderVersion {
  /** As it was asked for, or found. */
  readonly ref: string;
  /** The first 12 digits of its hash. */
  readonly commit: string;
  readonly folder: string;
  remove(): Promise<void>;
}

/** Where versions are taken from and put. */
export interface Repository {
  readonly root: string;
  /** It need not exist. */
  readonly cache: string;
}

const HERE: Repository = { root: ROOT, cache: CACHE };
const GIT_LIMIT_MS = 60_000;
/** What a node in Kubernetes is made of; a tree without it has nothing that today's manifests could start. */
const CHART = "k8s/chart/Chart.yaml";
const LOCK = "package-lock.json";
const PACKAGES = "node_modules";

const SHALLOW = "this clone is shallow: the commits before it are not here; git fetch --unshallow --tags brings them";

/** There is no older version to be had here; the message says why. */
export class NoOlderVersion extends Error {}

/**
 * The tree of `ref` under .cache, until it is removed. Rejects with `NoOlderVersion` where the history is not there.
 * @param ref anything that git takes for a commit; null: what `defaultRef` finds
 */
export async function checkOutOlder(ref: string | null, signal: AbortSignal, repository = HERE): Promise<OlderVersion> {
  const { root, cache } = repository;
  const git = gitIn(root, signal);
  if ((await git(["rev-parse", "--show-prefix"])) !== "")
    throw new NoOlderVersion("An older version is taken out of git's history, and this folder has none; clone the repository");
  const isShallow = (await git(["rev-parse", "--is-shallow-repository"])) === "true";
  const name = ref ?? (await defaultRef(git, isShallow));
  const hash = await git(["rev-parse", "--verify", "--quiet", "--end-of-options", `${name}^{commit}`]);
  if (hash === null) throw new NoOlderVersion(`"${name}" names no commit here${isShallow ? `; ${SHALLOW}` : ""}`);
  const commit = hash.slice(0, 12);
  const folder = join(cache, `older-${commit}`);
  const remove = async () => {
    const gitAtLast = gitIn(root, new AbortController().signal);
    await gitAtLast(["worktree", "remove", "--force", folder]);
    rmSync(folder, { recursive: true, force: true });
    await gitAtLast(["worktree", "prune"]);
  };
  await remove(); // of a run that was killed
  try {
    await succeed("git", ["worktree", "add", "--detach", folder, commit], signal, { cwd: root });
    await installPackages(root, folder, signal);
    return { ref: name, commit, folder, remove };
  } catch (thrown) {
    await remove();
    throw thrown;
  }
}

type Git = (args: readonly string[]) => Promise<string | null>;

/** What git writes, trimmed; null: it has refused. */
function gitIn(root: string, signal: AbortSignal): Git {
  return async (args) => {
    const { code, output } = await runCommand("git", args, { cwd: root, timeoutMs: GIT_LIMIT_MS, signal });
    return code === 0 ? output.trim() : null;
  };
}

/** The newest tag before this commit; where there is none, the first commit with the chart, the oldest that its manifests can start. */
async function defaultRef(git: Git, isShallow: boolean): Promise<string> {
  const tag = await git(["describe", "--tags", "--abbrev=0", "HEAD^"]);
  if (tag !== null) return tag;
  if (isShallow) throw new NoOlderVersion(`There is no tag to upgrade from, and ${SHALLOW}`);
  const [first = ""] = ((await git(["log", "--reverse", "--diff-filter=A", "--format=%h", "--", CHART])) ?? "").split("\n");
  if (first === "") throw new NoOlderVersion(`There is no tag to upgrade from, and no commit has brought in ${CHART}; name a commit`);
  return first;
}

/** This checkout's packages, hard-linked, where the lock files are equal; else what its lock file says. */
async function installPackages(root: string, folder: string, signal: AbortSignal): Promise<void> {
  const isSame = readFileSync(join(root, LOCK)).equals(readFileSync(join(folder, LOCK)));
  if (isSame) {
    const { code } = await runCommand("cp", ["-al", join(root, PACKAGES), join(folder, PACKAGES)], { timeoutMs: GIT_LIMIT_MS, signal });
    if (code === 0) return;
    rmSync(join(folder, PACKAGES), { recursive: true, force: true }); // no GNU cp, or another disk
  }
  await succeed("npm", ["ci", "--no-audit", "--no-fund"], signal, { cwd: folder });
}
