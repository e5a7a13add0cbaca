// Prints Deno's permissions for serving as a JSON array, for tooling/launch.mjs; what is wrong with the configuration goes to standard error.
import { realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ConfigError, loadConfig } from "./load.ts";
import { servePermissions } from "./permissions.ts";
import { systemSources } from "./system_sources.ts";

try {
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  console.log(JSON.stringify(servePermissions(loadConfig(systemSources()), root, realpathSync(join(root, "node_modules")))));
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
