import { cpSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join, posix, relative } from "node:path";
import { runCommand } from "../command.ts";
import { type Instruction, parseDockerfile, type Stage } from "./dockerfile.ts";

/** What an image would hold, in folders of this machine: one for each stage's file system. */
export interface BuiltImage {
  readonly stage: Stage;
  /** Where a path of the image lies here. */
  locate(path: string): string;
}

const STEP_LIMIT_MS = 600_000;

/**
 * Carries out a Dockerfile without containers: each stage in a folder of its own under `folder`, whose programs are this machine's. Commands
 * may therefore use relative paths only. What .dockerignore keeps out is not there.
 */
export async function buildOutside(context: string, folder: string, signal: AbortSignal): Promise<BuiltImage> {
  const stages = parseDockerfile(readFileSync(join(context, "Dockerfile"), "utf8"));
  const isSent = sentFiles(readFileSync(join(context, ".dockerignore"), "utf8"));
  const roots = new Map<string, string>();
  let built: BuiltImage | null = null;
  for (const [place, stage] of stages.entries()) {
    const root = join(folder, `stage_${place}`);
    roots.set(stage.name, root);
    mkdirSync(root, { recursive: true });
    let workdir = "/";
    for (const step of stage.steps) {
      if (step.kind === "workdir") {
        workdir = step.path;
        mkdirSync(join(root, workdir), { recursive: true });
      } else if (step.kind === "copy") copy(step, { context, isSent, roots, root, workdir });
      else await run(step.command, join(root, workdir), signal);
    }
    built = { stage, locate: (path) => join(root, path) };
  }
  if (built === null) throw new Error("The Dockerfile has no stage");
  return built;
}

interface Places {
  readonly context: string;
  readonly isSent: (path: string) => boolean;
  readonly roots: ReadonlyMap<string, string>;
  readonly root: string;
  readonly workdir: string;
}

function copy({ from, sources, target }: Extract<Instruction, { kind: "copy" }>, places: Places): void {
  const { context, isSent, roots, root, workdir } = places;
  const base = from === null ? context : roots.get(from);
  if (base === undefined) throw new Error(`COPY from a stage that is not there: ${from}`);
  for (const source of sources) {
    const path = join(base, source);
    if (from === null && (!isSent(source) || !existsSync(path))) throw new Error(`COPY of what is not sent: ${source}`);
    const into = join(root, posix.resolve(workdir, target));
    const to = sources.length > 1 || (target.endsWith("/") && !statSync(path).isDirectory()) ? join(into, posix.basename(source)) : into;
    cpSync(path, to, { recursive: true, filter: (file) => from !== null || isSent(relative(context, file)), verbatimSymlinks: true });
  }
}

async function run(command: string, cwd: string, signal: AbortSignal): Promise<void> {
  if (/(^|[\s=])\/[a-z]/.test(command)) throw new Error(`A command with an absolute path would reach out of its folder: ${command}`);
  const { code, output } = await runCommand("sh", ["-ec", command], { cwd, timeoutMs: STEP_LIMIT_MS, signal });
  if (code !== 0) throw new Error(`RUN ${command}\nended with code ${code}:\n${output}`);
}

/** Of a .dockerignore that keeps out everything but what is named. */
function sentFiles(text: string): (path: string) => boolean {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  if (lines[0] !== "*") throw new Error(".dockerignore is to begin with *");
  const named = lines.slice(1).map((line) => line.replace(/^!/, ""));
  return (path) => path === "" || named.some((name) => path === name || path.startsWith(`${name}/`) || name.startsWith(`${path}/`));
}

/** Bytes of all files below a folder. */
export function bytesOf(folder: string): number {
  let bytes = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    bytes += entry.isDirectory() ? bytesOf(path) : lstatSync(path).size;
  }
  return bytes;
}
