// Prints Deno's permissions for serving: as a JSON array, for tooling/launch.mjs, or with `--lines` one a line, for image/entrypoint.sh. What is
// wrong with the configuration goes to standard error.
import { realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ConfigError, configFilePath, loadConfig } from "./load.ts";
import { servePermissions } from "./permissions.ts";
import { systemSources } from "./system_sources.ts";

try {
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  const sources = systemSources();
  const packages = realpathSync(join(root, "node_modules"));
  const permissions = servePermissions(loadConfig(sources), root, packages, configFilePath(sources));
  console.log(process.argv.includes("--lines") ? permissions.join("\n") : JSON.stringify(permissions));
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
