/**
 * Three nodes in one process of their own, so that one compiled program serves all: the first asks for no key, the second for a key,
 * the third holds the key to limits that it does not meet, too.
 */
import { join } from "node:path";
import { newKey } from "../../bridge/keys/key.ts";
import { changeKeys, type KeyRecord } from "../../bridge/keys/key_file.ts";
import { KeyRing } from "../../bridge/keys/key_ring.ts";
import { loadConfig } from "../../config/load.ts";
import { type KennelNode, startNode } from "../../node/node.ts";
import { systemClock } from "../../runtime/clock.ts";
import { systemRandom } from "../../runtime/random.ts";
import { createLogger } from "../../telemetry/logs.ts";
import { serveCommands } from "./side_process.ts";
import { quantile } from "./statistics.ts";

export type AccessCommand =
  | { readonly kind: "start"; readonly folder: string }
  /** Processor time of this process so far, user and system, in µs. */
  | { readonly kind: "processor" }
  | { readonly kind: "checks" }
  | { readonly kind: "stop" };

export interface AccessNodes {
  readonly ports: { readonly open: number; readonly keyed: number; readonly limited: number };
  readonly key: string;
}

/** Microseconds of one look at a header, by what it holds. */
export interface CheckTimes {
  readonly good: number;
  readonly unknownId: number;
  readonly wrongAtFirst: number;
  readonly wrongAtLast: number;
}

const BLOCKS = 2_000;
const CHECKS_IN_BLOCK = 50;
/** Of all blocks: those that nothing else on the machine has come between. */
const UNDISTURBED = 0.1;
const nodes: KennelNode[] = [];
let own: { readonly ring: KeyRing; readonly key: string } | null = null;

async function start(folder: string): Promise<AccessNodes> {
  const { id, key, digest } = newKey();
  const record: KeyRecord = {
    id,
    name: "bench",
    scope: "write",
    collections: "*",
    digest: digest.toString("hex"),
    created_at: new Date().toISOString(),
    expires_at: null,
    revoked_at: null,
  };
  const file = join(folder, "keys.json");
  await changeKeys(file, (keys) => [...keys, record]);
  const keyed = { KENNEL_AUTH: "required", KENNEL_KEYS_FILE: file };
  const limits = { KENNEL_KEYS_RATE_PER_SECOND: "1000000", KENNEL_KEYS_BURST: "1000000", KENNEL_KEYS_MAX_CONCURRENT: "1000" };
  const port = async (name: string, settings: Readonly<Record<string, string>>) => {
    const environment = { KENNEL_PROFILE: "test", KENNEL_NODE_NAME: name, KENNEL_DATA_DIR: join(folder, name), ...settings };
    const config = loadConfig({ environment, readFile: () => null, hostName: () => name, workingFolder: folder });
    const node = await startNode(config, { clock: systemClock(), random: systemRandom() });
    nodes.push(node);
    return Number(new URL(node.url).port);
  };
  const ports = {
    open: await port("open", {}),
    keyed: await port("keyed", keyed),
    limited: await port("limited", { ...keyed, ...limits }),
  };
  const logger = createLogger({ level: "silent", node: "bench" });
  own = { ring: await KeyRing.open({ path: file, dataDir: folder, checkMs: 60_000, clock: systemClock(), logger }), key };
  return { ports, key };
}

/** The kinds take turns, block by block. */
function timeChecks(): CheckTimes {
  if (own === null) throw new Error("There are no nodes yet");
  const { ring, key } = own;
  const other = (text: string) => (text === "A" ? "B" : "A");
  const [head, secret] = [key.slice(0, -43), key.slice(-43)];
  const headers = {
    good: key,
    unknownId: newKey().key,
    wrongAtFirst: `${head}${other(secret[0] as string)}${secret.slice(1)}`,
    wrongAtLast: `${head}${secret.slice(0, -2)}${other(secret.at(-2) as string)}${secret.at(-1)}`,
  };
  const times: Record<keyof CheckTimes, number[]> = { good: [], unknownId: [], wrongAtFirst: [], wrongAtLast: [] };
  for (let block = 0; block < BLOCKS; block++)
    for (const kind of Object.keys(headers) as (keyof CheckTimes)[]) {
      const startMs = performance.now();
      for (let check = 0; check < CHECKS_IN_BLOCK; check++) {
        try {
          ring.verify(`Bearer ${headers[kind]}`);
        } catch {
          // That is what it does.
        }
      }
      times[kind].push(((performance.now() - startMs) * 1_000) / CHECKS_IN_BLOCK);
    }
  return {
    good: quantile(times.good, UNDISTURBED),
    unknownId: quantile(times.unknownId, UNDISTURBED),
    wrongAtFirst: quantile(times.wrongAtFirst, UNDISTURBED),
    wrongAtLast: quantile(times.wrongAtLast, UNDISTURBED),
  };
}

await serveCommands<AccessCommand>(async (command) => {
  switch (command.kind) {
    case "start":
      return start(command.folder);
    case "processor": {
      const { user, system } = process.cpuUsage();
      return user + system;
    }
    case "checks":
      return timeChecks();
    case "stop":
      await own?.ring.close();
      await Promise.all(nodes.map((node) => node.stop("the benchmark has ended")));
  }
});
