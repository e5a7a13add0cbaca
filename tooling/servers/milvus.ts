import { join } from "node:path";
import { runCommand } from "../command.ts";
import { freePorts } from "./free_ports.ts";
import { type MilvusServer, startMilvusProcess } from "./milvus_process.ts";

/**
 * The configuration is written once and the binary started by itself: the wheel's own starter checks ports in a way that
 * fails on a restart, and moves them. A session that dies is noticed within 5 s instead of 30.
 */
const WRITE_CONFIG = `
import json, sys
from milvus import MilvusServerConfig, _initialize_data_files
folder, ports = sys.argv[1], json.loads(sys.argv[2])
config = MilvusServerConfig()
config.update(data_dir=folder, **ports)
config.set("common.session.ttl", 5)
config.resolve()
_initialize_data_files(folder)
`;
const PORTS = [
  "proxy_port",
  "proxy_internal_port",
  "etcd_port",
  "root_coord_port",
  "query_coord_port",
  "query_node_port",
  "index_coord_port",
  "index_node_port",
  "data_coord_port",
  "data_node_port",
] as const;

/**
 * Milvus standalone, one on a machine: its etcd listens on 2379 whatever it is told.
 * @param python of the environment that the wheel is installed in
 * @param folder empty, or one that this has started on before
 * @param port 0: any free one
 */
export async function startMilvus(python: string, folder: string, port = 0): Promise<MilvusServer> {
  const [metricsPort, ...free] = await freePorts(PORTS.length + 1);
  const ports = Object.fromEntries(PORTS.map((name, place) => [name, free[place]]));
  if (port !== 0) ports.proxy_port = port;
  const written = await runCommand(python, ["-c", WRITE_CONFIG, folder, JSON.stringify(ports)], { timeoutMs: 60_000 });
  if (written.code !== 0) throw new Error(`Cannot configure Milvus:\n${written.output}`);
  return startMilvusProcess(`127.0.0.1:${ports.proxy_port}`, {
    what: "Milvus",
    command: join(folder, "bin", "milvus"),
    args: ["run", "standalone"],
    env: {
      DEPLOY_MODE: "STANDALONE",
      METRICS_PORT: String(metricsPort),
      MILVUS_RUN_DIR: join(folder, "run"),
      LD_LIBRARY_PATH: join(folder, "bin"),
    },
    cwd: folder,
    log: join(folder, "milvus.log"),
  });
}
