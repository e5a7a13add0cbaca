import { realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { configFilePath, loadConfig, type Sources } from "./load.ts";
import { servePermissions } from "./permissions.ts";
import { SETTINGS } from "./schema.ts";
import { secretFiles } from "./secret_files.ts";
import { listSettings } from "./setting.ts";

/** Deno's permissions for serving from this installation with the configuration that is given. @throws ConfigError */
export function ownPermissions(sources: Sources): readonly string[] {
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  const packages = realpathSync(join(root, "node_modules"));
  return servePermissions(loadConfig(sources), root, packages, configFilePath(sources), secretFiles(sources, listSettings(SETTINGS)));
}
