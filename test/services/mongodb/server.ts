import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type MongoOptions, openMongoDocumentStore, PoolGauge } from "../../../actors/document_store/mongodb.ts";
import { systemClock } from "../../../runtime/clock.ts";
import { type FerretServer, startFerretDb } from "../../../tooling/servers/ferretdb.ts";
import { ferretDbPath } from "../../support/services.ts";

/** A server of its own with an empty folder; `stop` removes both. */
export async function startServer(): Promise<FerretServer> {
  const folder = mkdtempSync(join(tmpdir(), "kennel-ferretdb-"));
  const server = await startFerretDb(ferretDbPath(), folder);
  return {
    ...server,
    async stop() {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

let databases = 0;

/** The address of a database that nobody has used yet. */
export function newDatabase(server: { readonly url: string }): string {
  return inDatabase(server.url, `kennel_${++databases}`);
}

function inDatabase(url: string, name: string): string {
  return url.replace("/?", `/${name}?`);
}

/** Limits that suit a server on the same machine. */
function optionsFor(url: string, differs: Partial<MongoOptions> = {}): MongoOptions {
  return {
    url,
    maxPoolSize: 8,
    minPoolSize: 0,
    maxIdleMs: 60_000,
    waitQueueTimeoutMs: 2_000,
    connectTimeoutMs: 600,
    serverSelectionTimeoutMs: 800,
    heartbeatMs: 500,
    socketTimeoutMs: 10_000,
    callTimeoutMs: 60_000,
    leaseMs: 10_000,
    gauge: new PoolGauge(),
    onCreated: () => {},
    settleMs: 60_000,
    onSettled: () => {},
    clock: systemClock(),
    ...differs,
  };
}

export function openStore(url: string, differs: Partial<MongoOptions> = {}) {
  return openMongoDocumentStore(optionsFor(url, differs));
}
