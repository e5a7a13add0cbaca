// @ts-check
// Starts Kennel on the Deno that came with the packages. Plain JavaScript, because the machine's own Node may be too old to read TypeScript.
//
//   node tooling/launch.mjs serve             serves, with the permissions that the configuration needs and no others
//   node tooling/launch.mjs search docs "…"   any other command of the command line
//
// The child has this process's input and output; signals go to it, and its exit code (or the signal that ended it) becomes ours.
import { spawn, spawnSync } from "node:child_process";
import { realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** Where Deno's binary lies; finds it also where the installation ran no install scripts. */
const deno = createRequire(import.meta.url)("deno/install_api.cjs").runInstall();
const RUN = ["run", "--no-lock", "--no-prompt", "--no-remote", "--node-modules-dir=manual"];
const FORWARDED = /** @type {const} */ (["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR2"]);

/**
 * What serving may touch: the data folder, the address, the add-ons. The configuration says; what is wrong in it is
 * printed there and ends the start here.
 * @param {string[]} args
 * @returns {string[]}
 */
function servePermissions(args) {
  const asked = spawnSync(
    deno,
    [...RUN, "--allow-env", "--allow-read", "--allow-sys=hostname", join(root, "config/print_permissions.ts"), ...args],
    {
      stdio: ["ignore", "pipe", "inherit"],
      encoding: "utf8",
    },
  );
  if (asked.error) throw asked.error;
  if (asked.status !== 0) process.exit(asked.status ?? 1);
  return JSON.parse(asked.stdout);
}

/** The other commands read files that are named to them and talk to a server; they write and start nothing. */
const CLIENT_PERMISSIONS = ["--allow-read", "--allow-env", "--allow-net", "--allow-sys=hostname"];
/** These also write what is named to them, with the document store's add-on. */
const BACKUP_COMMANDS = ["backup", "restore"];
const BACKUP_PERMISSIONS = [
  "--allow-read",
  "--allow-write",
  "--allow-env",
  "--allow-net",
  "--allow-sys=hostname,cpus,osRelease,systemMemoryInfo,networkInterfaces,uid,gid",
  `--allow-ffi=${realpathSync(join(root, "node_modules")).replaceAll(",", ",,")}`,
];

/** This one changes the file of keys, wherever the configuration puts it. */
const KEYS_PERMISSIONS = ["--allow-read", "--allow-write", "--allow-env", "--allow-sys=hostname"];

const args = process.argv.slice(2);
/** @param {string | undefined} command */
const clientPermissions = (command) => {
  if (command === "keys") return KEYS_PERMISSIONS;
  return BACKUP_COMMANDS.includes(command ?? "") ? BACKUP_PERMISSIONS : CLIENT_PERMISSIONS;
};
const permissions = args[0] === "serve" ? servePermissions(args.slice(1)) : clientPermissions(args[0]);
const child = spawn(deno, [...RUN, ...permissions, join(root, "main.ts"), ...args], { stdio: "inherit" });

for (const signal of FORWARDED) process.on(signal, () => child.kill(signal));
child.on("error", (error) => {
  console.error(`Cannot start Deno at ${deno}: ${error.message}`);
  process.exit(1);
});
child.on("exit", (code, signal) => {
  if (signal === null) process.exit(code ?? 1);
  for (const forwarded of FORWARDED) process.removeAllListeners(forwarded);
  process.kill(process.pid, signal);
});
