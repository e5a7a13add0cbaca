import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { ROOT, runCommand } from "./command.ts";

/**
 * A server or tool that the tests under test/services/ need. Its place is handed to them in an environment variable;
 * where the variable is set already, that one is used and nothing is installed.
 */
interface RealService {
  readonly variable: string;
  readonly what: string;
  /** Installs it unless it is there. @returns the variable's value */
  provide(signal: AbortSignal): Promise<string>;
}

const INSTALL_TIMEOUT_MS = 600_000;
const CACHE = join(ROOT, ".cache");
const SCHEMATHESIS_VERSION = "4.32.5";

const SERVICES: readonly RealService[] = [
  { variable: "TEST_CHROMIUM", what: "Chromium", provide: provideChromium },
  { variable: "TEST_SCHEMATHESIS", what: "schemathesis", provide: provideSchemathesis },
];

/** @returns the environment that the service tests read through test/support/services.ts */
export async function provideServices(signal: AbortSignal): Promise<Readonly<Record<string, string>>> {
  const env: Record<string, string> = {};
  for (const service of SERVICES) {
    env[service.variable] = process.env[service.variable] ?? (await service.provide(signal));
    console.log(`${service.what}: ${env[service.variable]}`);
  }
  return env;
}

const CHROMIUM_PATHS = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

async function provideChromium(signal: AbortSignal): Promise<string> {
  const present = () => CHROMIUM_PATHS.find((path) => existsSync(path));
  const found = present();
  if (found !== undefined) return found;
  await installDebianPackages(["chromium"], signal);
  return present() ?? missing("Chromium", "TEST_CHROMIUM");
}

async function provideSchemathesis(signal: AbortSignal): Promise<string> {
  const folder = join(CACHE, `schemathesis-${SCHEMATHESIS_VERSION}`);
  const command = join(folder, "bin/schemathesis");
  if (existsSync(command)) return command;
  mkdirSync(CACHE, { recursive: true });
  const makeFolder = () => runCommand("python3", ["-m", "venv", folder], { timeoutMs: INSTALL_TIMEOUT_MS, signal });
  if ((await makeFolder().catch(() => ({ code: 1 }))).code !== 0) {
    await installDebianPackages(["python3", "python3-venv"], signal);
    await makeFolder();
  }
  await succeed(join(folder, "bin/pip"), ["install", "--quiet", `schemathesis==${SCHEMATHESIS_VERSION}`], signal);
  return existsSync(command) ? command : missing("schemathesis", "TEST_SCHEMATHESIS");
}

async function installDebianPackages(packages: readonly string[], signal: AbortSignal): Promise<void> {
  await succeed("apt-get", ["update", "-qq"], signal);
  await succeed("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...packages], signal, { DEBIAN_FRONTEND: "noninteractive" });
}

async function succeed(
  command: string,
  args: readonly string[],
  signal: AbortSignal,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { code, output } = await runCommand(command, args, { timeoutMs: INSTALL_TIMEOUT_MS, signal, env });
  if (code !== 0) throw new Error(`"${[command, ...args].join(" ")}" failed:\n${output}`);
}

function missing(what: string, variable: string): never {
  throw new Error(`Cannot find ${what} after installing it; install it and set ${variable} to its path`);
}
