import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type FerretServer, startFerretDb } from "../../tooling/servers/ferretdb.ts";
import { startMilvus } from "../../tooling/servers/milvus.ts";
import type { MilvusServer } from "../../tooling/servers/milvus_process.ts";
import { FERRETDB } from "../../tooling/services/ferretdb.ts";
import { provideServices } from "../../tooling/services/index.ts";
import { MILVUS } from "../../tooling/services/milvus.ts";

export interface RealServers {
  readonly milvus: MilvusServer;
  readonly ferretDb: FerretServer;
  stop(): Promise<void>;
}

const SERVICES = [MILVUS, FERRETDB] as const;

/** Whether the environment says where the servers' programs lie, so that nothing would have to be installed. */
export function areServersProvided(): boolean {
  return SERVICES.every(({ variables }) => variables.every((variable) => process.env[variable] !== undefined));
}

/** Installs what is missing into .cache, and starts both servers on empty folders. */
export async function startRealServers(folder: string, signal: AbortSignal): Promise<RealServers> {
  const programs = await provideServices(signal, SERVICES);
  const [milvusFolder, ferretFolder] = [join(folder, "milvus"), join(folder, "ferretdb")];
  await Promise.all([milvusFolder, ferretFolder].map((each) => mkdir(each, { recursive: true })));
  const ferretDb = await startFerretDb(programs.TEST_FERRETDB as string, ferretFolder);
  try {
    const milvus = await startMilvus(programs.TEST_MILVUS_PYTHON as string, milvusFolder);
    return { milvus, ferretDb, stop: async () => void (await Promise.all([milvus.stop(), ferretDb.stop()])) };
  } catch (thrown) {
    await ferretDb.stop();
    throw thrown;
  }
}
