import { existsSync } from "node:fs";
import { join } from "node:path";
import { ROOT, runCommand } from "./command.ts";

const MIN_MAJOR = 24;
const VERSION = "24.9.0";
const FOLDER = join(ROOT, ".cache/node24");

/**
 * A Node that reads TypeScript (24 or later): the machine's own where it is new enough, else the binary that npm's
 * platform package carries, kept under .cache/.
 */
export async function provideNode24(signal: AbortSignal): Promise<string> {
  if (await isNewEnough("node", signal)) return "node";
  const platformPackage = `node-${process.platform}-${process.arch}`;
  const candidates = [
    join(FOLDER, "node_modules", platformPackage, "bin/node"),
    join(FOLDER, "node_modules/node/node_modules", platformPackage, "bin/node"),
  ];
  const present = candidates.find((path) => existsSync(path));
  if (present !== undefined) return present;
  const install = ["install", "--prefix", FOLDER, "--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"];
  const { code, output } = await runCommand("npm", [...install, `${platformPackage}@${VERSION}`], { timeoutMs: 300_000, signal });
  const installed = candidates.find((path) => existsSync(path));
  if (code !== 0 || installed === undefined) throw new Error(`Cannot install Node ${VERSION} (${platformPackage}) from npm:\n${output}`);
  return installed;
}

async function isNewEnough(command: string, signal: AbortSignal): Promise<boolean> {
  const { code, output } = await runCommand(command, ["--version"], { timeoutMs: 10_000, signal }).catch(() => ({ code: 1, output: "" }));
  return code === 0 && Number(/^v(\d+)\./.exec(output)?.[1] ?? 0) >= MIN_MAJOR;
}
