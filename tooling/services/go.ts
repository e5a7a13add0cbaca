import { chmodSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "../command.ts";
import { installDebianPackages } from "./debian.ts";
import { CACHE, INSTALL_TIMEOUT_MS, makeOnce, succeed } from "./install.ts";
import { missing } from "./service.ts";

const TOOLCHAIN = "1.24.4";
/** From this release on, Go fetches a newer one of itself when a module asks for it. */
const FIRST_THAT_UPDATES_ITSELF = 21;

/** Debian's Go, and that of container images, fetches a newer one only where it is told to. */
export const GO_ENVIRONMENT = { GOTOOLCHAIN: "auto" } as const;

/** @returns the command of a Go that can build modules for Go 1.24 */
export async function provideGo(signal: AbortSignal): Promise<string> {
  if ((await releaseOf("go", signal)) === null) await installDebianPackages(["golang-go"], signal);
  const release = await releaseOf("go", signal);
  if (release === null) return missing("Go", "PATH");
  return release >= FIRST_THAT_UPDATES_ITSELF ? "go" : fetchToolchain(signal);
}

/** 19 for Go 1.19.8; null: there is none. */
async function releaseOf(command: string, signal: AbortSignal): Promise<number | null> {
  const { code, output } = await runCommand(command, ["version"], { timeoutMs: INSTALL_TIMEOUT_MS, signal }).catch(() => ({
    code: 1,
    output: "",
  }));
  const release = /\bgo1\.(\d+)/.exec(output)?.[1];
  return code === 0 && release !== undefined ? Number(release) : null;
}

/** Toolchains are modules, which an older Go can download too; it only does not make their programs executable. */
async function fetchToolchain(signal: AbortSignal): Promise<string> {
  const architecture = process.arch === "x64" ? "amd64" : process.arch;
  const version = `v0.0.1-go${TOOLCHAIN}.${process.platform}-${architecture}`;
  const modules = join(CACHE, `go-${TOOLCHAIN}`);
  const root = join(modules, `golang.org/toolchain@${version}`);
  const command = join(root, "bin/go");
  mkdirSync(modules, { recursive: true });
  // An old Go unpacks in place: that the command is there does not say that all of it is.
  await makeOnce(join(modules, "unpacked"), async (draft) => {
    writeFileSync(join(modules, "go.mod"), "module toolchain\n");
    const env = { GOMODCACHE: modules, GOFLAGS: "-modcacherw" };
    await succeed("go", ["mod", "download", `golang.org/toolchain@${version}`], signal, { cwd: modules, env });
    writeFileSync(draft, version);
  });
  for (const folder of ["bin", `pkg/tool/${process.platform}_${architecture}`]) {
    for (const name of readdirSync(join(root, folder))) chmodSync(join(root, folder, name), 0o755);
  }
  return command;
}
