// Compiles the AssemblyScript of the repository (`x.as.ts`) to the WebAssembly beside it (`x.wasm`), which is committed.
// With --check nothing is written, and the exit code is 1 when a committed file is not what its source builds to.
import { copyFile, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { ROOT, runCommand } from "./command.ts";

const SOURCE = ".as.ts";
const TIMEOUT_MS = 120_000;
// Strict SIMD gives the same bits on every machine. The memory is the caller's, shared, up to 4 GiB.
const OPTIONS = [
  ...["-O3", "--converge", "--noAssert", "--runtime", "stub", "--use", "abort="],
  ...["--enable", "simd", "--enable", "threads", "--enable", "bulk-memory"],
  ...["--importMemory", "--sharedMemory", "--initialMemory", "1", "--maximumMemory", "65536"],
];

async function sources(): Promise<string[]> {
  const entries = await readdir(join(ROOT, "actors"), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile() && entry.name.endsWith(SOURCE)).map((entry) => join(entry.parentPath, entry.name));
}

async function compile(source: string, target: string): Promise<void> {
  const compiler = join(ROOT, "node_modules/assemblyscript/bin/asc.js");
  const { code, output } = await runCommand(process.execPath, [...runtimeArguments(), compiler, source, "-o", target, ...OPTIONS], {
    timeoutMs: TIMEOUT_MS,
    env: { NO_COLOR: "1" },
  });
  if (code !== 0) throw new Error(`Cannot compile ${basename(source)}:\n${output}`);
}

/** Deno needs to be told to run a script and to let it read and write; Node is not. */
function runtimeArguments(): string[] {
  return "Deno" in globalThis ? ["run", "-A", "--no-lock"] : [];
}

const isCheck = process.argv.includes("--check");
const folder = await mkdtemp(join(tmpdir(), "kennel-wasm-"));
try {
  for (const source of await sources()) {
    const committed = `${source.slice(0, -SOURCE.length)}.wasm`;
    const built = join(folder, basename(committed));
    await compile(source, built);
    const isSame = Buffer.compare(await readFile(built), await readFile(committed).catch(() => Buffer.alloc(0))) === 0;
    if (isSame) continue;
    const name = committed.slice(ROOT.length + 1);
    if (isCheck) {
      console.error(`${name} is not what its source builds to; run: deno run -A tooling/build_wasm.ts`);
      process.exitCode = 1;
    } else {
      await copyFile(built, committed);
      console.log(`${name} was built`);
    }
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
