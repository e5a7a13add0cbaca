import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "../command.ts";
import { installDebianPackages } from "./debian.ts";
import { CACHE, INSTALL_TIMEOUT_MS, succeed } from "./install.ts";

/**
 * A Python environment of its own in `.cache/<name>` with the packages in it.
 * @param packages with their versions: `schemathesis==4.32.5`
 * @param command a program that is there once they are installed: nothing is done where it exists
 * @returns the environment's `bin` folder
 */
export async function providePython(name: string, packages: readonly string[], command: string, signal: AbortSignal): Promise<string> {
  const folder = join(CACHE, name);
  const bin = join(folder, "bin");
  // What is in it stands in a file of its own, which is written last: other versions, or half of them, are not taken for these.
  const list = join(folder, "packages.txt");
  const wanted = packages.join("\n");
  if (existsSync(join(bin, command)) && existsSync(list) && readFileSync(list, "utf8") === wanted) return bin;
  mkdirSync(CACHE, { recursive: true });
  const makeFolder = () => runCommand("python3", ["-m", "venv", folder], { timeoutMs: INSTALL_TIMEOUT_MS, signal });
  if ((await makeFolder().catch(() => ({ code: 1 }))).code !== 0) {
    await installDebianPackages(["python3", "python3-venv"], signal);
    await makeFolder();
  }
  await succeed(join(bin, "pip"), ["install", "--quiet", ...packages], signal);
  writeFileSync(list, wanted);
  return bin;
}
