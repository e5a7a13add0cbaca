import type { Config } from "./schema.ts";

/**
 * Deno's permissions for serving with this configuration: what is read, written and listened on, and nothing else.
 * Three are wider than one would like. `ffi`: the stores are native add-ons, and Deno can't look inside them. `env`: unknown
 * KENNEL_ variables are refused, so all names are read. `sys`: the add-ons' loaders ask which machine this is.
 * @param root the folder that main.ts lies in
 * @param packages where node_modules really lies, which may be elsewhere behind a link
 */
export function servePermissions(config: Config, root: string, packages: string): readonly string[] {
  const hosts = config.http.host === "localhost" ? ["localhost", "127.0.0.1", "[::1]"] : [bracketed(config.http.host)];
  return [
    `--allow-read=${[root, packages, config.dataDir, "/etc/hosts", "/usr/bin/ldd", "/proc/self"].map(escaped).join(",")}`,
    `--allow-write=${escaped(config.dataDir)}`,
    `--allow-net=${hosts.map((host) => `${host}:${config.http.port}`).join(",")}`,
    `--allow-ffi=${escaped(packages)}`,
    "--allow-env",
    "--allow-sys=hostname,cpus,osRelease,systemMemoryInfo,networkInterfaces,uid,gid",
  ];
}

const bracketed = (host: string) => (host.includes(":") && !host.startsWith("[") ? `[${host}]` : host);

/** A comma inside a path is written twice. */
const escaped = (path: string) => path.replaceAll(",", ",,");
