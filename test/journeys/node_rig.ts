import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "../../config/load.ts";
import type { Config } from "../../config/schema.ts";
import { type KennelNode, type NodeEnvironment, startNode } from "../../node/node.ts";
import { Caller } from "./caller.ts";

/** A node in this process on a data folder of its own, with a caller that speaks HTTP to it. */
export interface NodeRig {
  readonly node: KennelNode;
  readonly caller: Caller;
  readonly dataDir: string;
  /** Drains the node, lets `meanwhile` happen to its data folder, and starts another one on it, with other settings if given. */
  restart(meanwhile?: () => Promise<void>, others?: Readonly<Record<string, string>>): Promise<void>;
}

/** @param settings environment variables, as users set them */
export async function onNode(
  settings: Readonly<Record<string, string>>,
  journey: (rig: NodeRig) => Promise<void>,
  environment?: NodeEnvironment,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "kennel-journey-"));
  let node: KennelNode | null = null;
  try {
    const config = configOf(folder, settings);
    node = await startNode(config, environment);
    const rig = {
      node,
      caller: new Caller(node.url),
      dataDir: config.dataDir,
      async restart(meanwhile = async () => {}, others = settings) {
        await rig.node.stop("restart");
        await meanwhile();
        node = rig.node = await startNode(configOf(folder, others), environment);
        rig.caller = new Caller(rig.node.url);
      },
    };
    await journey(rig);
  } finally {
    await node?.stop("the journey has ended");
    await rm(folder, { recursive: true, force: true });
  }
}

/** As `kennel serve` would load it, from `settings` alone: nothing of this machine's environment or files. */
function configOf(folder: string, settings: Readonly<Record<string, string>>): Config {
  return loadConfig({
    environment: { KENNEL_PROFILE: "test", KENNEL_NODE_NAME: "journey", KENNEL_DATA_DIR: join(folder, "data"), ...settings },
    readFile: () => null,
    hostName: () => "journey",
    workingFolder: folder,
  });
}
