import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type EndedProcess, runProcess } from "./command_process.ts";

const LAUNCHER = fileURLToPath(new URL("../../tooling/launch.mjs", import.meta.url));
/** Any Node can launch: the machine's own, or the one that this test runs on. */
const NODE = "deno" in process.versions ? "node" : process.execPath;
const LIMIT_MS = 550_000;

/** A Kennel as `npm start` starts it: on Deno, with the permissions that its configuration needs and no others. */
export interface LaunchedKennel {
  readonly url: string;
  /** Everything it has written. */
  output(): string;
  /** Ends it with SIGTERM and removes its data folder. Idempotent. */
  stop(): Promise<EndedProcess>;
}

export async function launchKennel(env: Readonly<Record<string, string>>): Promise<LaunchedKennel> {
  const folder = await mkdtemp(join(tmpdir(), "kennel-launched-"));
  const settings = { KENNEL_HTTP_PORT: "0", KENNEL_DATA_DIR: join(folder, "data"), ...env };
  const server = runProcess(NODE, [LAUNCHER, "serve"], settings, process.cwd(), LIMIT_MS);
  let stopping: Promise<EndedProcess> | null = null;
  const end = async () => {
    server.kill("SIGTERM");
    const ended = await server.ended;
    await rm(folder, { recursive: true, force: true });
    return ended;
  };
  const stop = () => {
    stopping ??= end();
    return stopping;
  };
  try {
    const line = await server.untilOut(/Kennel serves on http:\/\/[^\s(]+/);
    return { url: line.slice(line.indexOf("http://")).replace(/\/$/, ""), output: server.output, stop };
  } catch (thrown) {
    await rm(folder, { recursive: true, force: true });
    throw thrown;
  }
}
