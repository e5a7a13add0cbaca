// npm run check: everything that can be said about the repository without running it. Exit code 1 when anything is wrong.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { denoPath, ROOT, runCommand, seconds, untilInterrupted } from "./command.ts";
import { staleDocuments } from "./generated_docs.ts";
import { findViolations, listTypeScript, readImports } from "./import_direction.ts";

interface Check {
  readonly name: string;
  /** What is wrong, to be read by people; null: nothing. */
  run(signal: AbortSignal): Promise<string | null>;
}

const TIMEOUT_MS = 300_000;
const bin = (name: string) => join(ROOT, "node_modules/.bin", name);
const WASM_BUILD = "tooling/build_wasm.ts";

function command(name: string, path: string, args: readonly string[]): Check {
  return {
    name,
    async run(signal) {
      const { code, output, timedOut } = await runCommand(path, args, {
        timeoutMs: TIMEOUT_MS,
        signal,
        env: { NO_COLOR: "1", FORCE_COLOR: "0" },
      });
      if (timedOut) return `${output}\ndid not end within ${seconds(TIMEOUT_MS)}`;
      return code === 0 ? null : output;
    },
  };
}

function checks(): readonly Check[] {
  return [
    command("format and lint (biome)", bin("biome"), ["ci", "--colors=off", "--error-on-warnings", "--max-diagnostics=50", "."]),
    command("types on Node (tsc)", bin("tsc"), ["-p", ROOT, "--pretty", "false"]),
    command("types of the page (tsc)", bin("tsc"), ["-p", join(ROOT, "bridge/http/page"), "--pretty", "false"]),
    command("types on Deno (deno check)", denoPath(), [
      "check",
      "--quiet",
      "--no-lock",
      "--no-remote",
      "--config",
      join(ROOT, "deno_check.jsonc"),
      ...listTypeScript(ROOT),
    ]),
    {
      name: "imports point down the floors",
      run: async (signal) => lines(findViolations(await readImports(ROOT, signal))),
    },
    command("dead code and unused dependencies (knip)", bin("knip"), ["--no-progress", "--treat-config-hints-as-errors"]),
    { name: "generated documentation is up to date", run: async () => lines(staleDocuments()) },
    ...(existsSync(join(ROOT, WASM_BUILD))
      ? [command("WebAssembly is what its source builds to", denoPath(), ["run", "-A", "--no-lock", WASM_BUILD, "--check"])]
      : []),
  ];
}

function lines(problems: readonly string[]): string | null {
  return problems.length === 0 ? null : problems.join("\n");
}

/** Runs all checks, one after the other, and prints one line each and what is wrong. True: nothing is. */
export async function runChecks(signal: AbortSignal): Promise<boolean> {
  let isClean = true;
  for (const check of checks()) {
    const startedMs = performance.now();
    const problem = await check.run(signal).catch((error: Error) => error.message);
    signal.throwIfAborted();
    console.log(`${problem === null ? "ok  " : "FAIL"} ${check.name} (${seconds(performance.now() - startedMs)})`);
    if (problem === null) continue;
    isClean = false;
    console.log(problem.trim().replaceAll(/^/gm, "     "));
  }
  return isClean;
}

if (import.meta.main) process.exit((await runChecks(untilInterrupted())) ? 0 : 1);
