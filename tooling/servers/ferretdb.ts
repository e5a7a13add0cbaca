import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { MongoClient } from "mongodb";
import { freePorts } from "./free_ports.ts";
import { type ServerProcess, startServerProcess } from "./server_process.ts";

export interface FerretServer extends ServerProcess {
  /** `mongodb://127.0.0.1:27017/?directConnection=true`: a database's name goes before the question mark. */
  readonly url: string;
  readonly port: number;
}

const START_LIMIT_MS = 60_000;

/**
 * FerretDB on SQLite files. It reads whole collections unless it is asked for one `_id`: keep them in the hundreds.
 * @param command the program
 * @param folder for its data; it exists
 * @param port 0: any free one
 */
export async function startFerretDb(command: string, folder: string, port = 0): Promise<FerretServer> {
  const chosen = port === 0 ? ((await freePorts(1))[0] as number) : port;
  const data = join(folder, "ferretdb");
  mkdirSync(data, { recursive: true });
  const url = `mongodb://127.0.0.1:${chosen}/?directConnection=true`;
  const server = await startServerProcess({
    what: "FerretDB",
    command,
    args: ["-listen", `127.0.0.1:${chosen}`, "-folder", `${data}/`],
    cwd: folder,
    log: join(folder, "ferretdb.log"),
    tryOnce: () => readOnce(url),
    startLimitMs: START_LIMIT_MS,
  });
  return { ...server, url, port: chosen };
}

async function readOnce(url: string): Promise<void> {
  const client = new MongoClient(url, { connectTimeoutMS: 1_000, serverSelectionTimeoutMS: 200, socketTimeoutMS: 2_000, maxPoolSize: 1 });
  try {
    await client.db("readiness").collection("probes").findOne({});
  } finally {
    await client.close();
  }
}
