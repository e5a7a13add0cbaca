import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { denoPath, runCommand } from "./command.ts";

/** The floors of the house, upper ones first; ARCHITECTURE.md says what each knows. */
export const FLOORS = [
  "main.ts",
  "node",
  "bridge",
  "cluster",
  "actors",
  "supervisor",
  "transport",
  "telemetry",
  "config",
  "runtime",
] as const;

export interface Import {
  /** Paths from the root, with slashes. */
  readonly from: string;
  readonly to: string;
}

/** What is never shipped. */
const WORKSHOP = ["test", "bench", "tooling"];

/** Every import, also of types alone, that goes up a floor or into what only tests and tools may use. One line each. */
export function findViolations(imports: readonly Import[]): readonly string[] {
  return imports.flatMap(({ from, to }) => {
    const floor = floorOf(from);
    if (floor === null) return []; // test/, bench/ and tooling/ may see everything
    const target = floorOf(to);
    if (WORKSHOP.includes(to.split("/")[0] as string)) return [`${from} imports ${to}: what is shipped does not know tests and tools`];
    if (target === null) return []; // package.json
    return target < floor ? [`${from} imports ${to}: ${FLOORS[floor]} may not know ${FLOORS[target]}, which lies above it`] : [];
  });
}

/** 0 for the top floor; null: outside of the house. */
function floorOf(path: string): number | null {
  const index = FLOORS.indexOf(path.split("/")[0] as (typeof FLOORS)[number]);
  return index < 0 ? null : index;
}

/** All imports between the TypeScript files under `root`, as Deno's own parser finds them. */
export async function readImports(root: string, signal: AbortSignal): Promise<readonly Import[]> {
  const files = listTypeScript(root);
  const folder = mkdtempSync(join(root, ".imports-"));
  try {
    const entry = join(folder, "every_file.ts");
    writeFileSync(entry, files.map((file) => `import ${JSON.stringify(pathToFileURL(join(root, file)).href)};\n`).join(""));
    const args = ["info", "--json", "--quiet", "--no-lock", "--no-remote", "--node-modules-dir=manual", entry];
    const { code, output } = await runCommand(denoPath(), args, { cwd: root, timeoutMs: 60_000, signal, env: { NO_COLOR: "1" } });
    if (code !== 0) throw new Error(`Cannot read the imports:\n${output}`);
    return importsOf(JSON.parse(output.slice(output.indexOf("{"))), root, new Set(files));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface ModuleGraph {
  readonly modules: readonly {
    readonly specifier: string;
    readonly error?: string;
    readonly dependencies?: readonly { readonly code?: Target; readonly type?: Target }[];
  }[];
}

interface Target {
  readonly specifier?: string;
}

function importsOf(graph: ModuleGraph, root: string, files: ReadonlySet<string>): readonly Import[] {
  const pathOf = (url: string) => (url.startsWith("file:") ? relative(root, fileURLToPath(url)).split(sep).join("/") : url);
  return graph.modules.flatMap((module) => {
    const from = pathOf(module.specifier);
    if (!files.has(from)) return [];
    if (module.error !== undefined) throw new Error(`Cannot read the imports of ${from}: ${module.error}`);
    const targets = (module.dependencies ?? []).map((dependency) => dependency.code?.specifier ?? dependency.type?.specifier ?? "");
    return targets
      .filter((target) => target.startsWith("file:") && !target.includes("/node_modules/"))
      .map((to) => ({ from, to: pathOf(to) }));
  });
}

/** TypeScript that Deno and Node run; AssemblyScript (`.as.ts`) is another language. */
export function listTypeScript(root: string, under = ""): string[] {
  return readdirSync(join(root, under), { withFileTypes: true }).flatMap((entry) => {
    const path = under === "" ? entry.name : `${under}/${entry.name}`;
    if (entry.name.startsWith(".") || entry.name === "node_modules" || path === "data") return [];
    if (entry.isDirectory()) return listTypeScript(root, path);
    return entry.name.endsWith(".ts") && !entry.name.endsWith(".as.ts") ? [path] : [];
  });
}
