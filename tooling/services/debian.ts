import { succeed } from "./install.ts";

/** Needs root, as in a container. */
export async function installDebianPackages(packages: readonly string[], signal: AbortSignal): Promise<void> {
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  await succeed("apt-get", ["update", "-qq"], signal, { env });
  await succeed("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...packages], signal, { env });
}
