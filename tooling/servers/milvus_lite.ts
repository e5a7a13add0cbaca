import { join } from "node:path";
import { freePorts } from "./free_ports.ts";
import { type MilvusServer, startMilvusProcess } from "./milvus_process.ts";

/**
 * Milvus Lite as a server.
 * @param command the program
 * @param folder for its data; it exists
 * @param port 0: any free one
 */
export async function startMilvusLite(command: string, folder: string, port = 0): Promise<MilvusServer> {
  const chosen = port === 0 ? ((await freePorts(1))[0] as number) : port;
  return startMilvusProcess(`127.0.0.1:${chosen}`, {
    what: "Milvus Lite",
    command,
    args: ["server", "--data-dir", join(folder, "lite"), "--host", "127.0.0.1", "--port", String(chosen)],
    cwd: folder,
    log: join(folder, "milvus_lite.log"),
  });
}
