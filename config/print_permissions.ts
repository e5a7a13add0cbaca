// Prints Deno's permissions for serving: as a JSON array, for tooling/launch.mjs, or with `--lines` one a line, for image/entrypoint.sh. What is
// wrong with the configuration goes to standard error.
import { ConfigError } from "./load.ts";
import { ownPermissions } from "./own_permissions.ts";
import { systemSources } from "./system_sources.ts";

try {
  const permissions = ownPermissions(systemSources());
  console.log(process.argv.includes("--lines") ? permissions.join("\n") : JSON.stringify(permissions));
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
