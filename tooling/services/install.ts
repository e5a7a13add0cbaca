import { existsSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ROOT, runCommand } from "../command.ts";

/** Where services are installed: one folder each, named `<name>-<version>`. */
export const CACHE = join(ROOT, ".cache");
/** Time that one step of an installation may take. */
export const INSTALL_TIMEOUT_MS = 600_000;

export interface StepOptions {
  /** @default the repository's folder */
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** @default INSTALL_TIMEOUT_MS */
  readonly timeoutMs?: number;
}

/** Runs one step of an installation. Rejects with its output unless it ends with code 0. */
export async function succeed(command: string, args: readonly string[], signal: AbortSignal, options: StepOptions = {}): Promise<void> {
  const { code, output } = await runCommand(command, args, { timeoutMs: INSTALL_TIMEOUT_MS, signal, ...options });
  if (code !== 0) throw new Error(`"${[command, ...args].join(" ")}" failed:\n${output}`);
}

/**
 * A file or folder that is made once, under its name only when it is whole: an interrupted build leaves nothing that a later one takes
 * for its result.
 * @param make writes it to the path that it is given
 */
export async function makeOnce(path: string, make: (draft: string) => Promise<void>): Promise<string> {
  if (existsSync(path)) return path;
  const draft = `${path}.part`;
  rmSync(draft, { recursive: true, force: true });
  await make(draft);
  renameSync(draft, path);
  return path;
}
