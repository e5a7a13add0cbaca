import { existsSync } from "node:fs";
import { join } from "node:path";
import type { DocumentStore } from "../../actors/document_store/document_store.ts";
import { DATABASE_FILE, openLibsqlDocumentStore } from "../../actors/document_store/libsql.ts";
import { openMongoDocumentStore, PoolGauge } from "../../actors/document_store/mongodb.ts";
import { superviseDocumentStore } from "../../actors/document_store/supervised.ts";
import { type KennelError, toKennelError } from "../../runtime/errors.ts";
import type { Bulkhead } from "../../supervisor/bulkhead.ts";
import type { PoolStats } from "../../supervisor/pool.ts";
import { type Service, superviseService } from "../../supervisor/service.ts";
import type { ServiceParts } from "./parts.ts";
import { makeBulkhead } from "./sharing.ts";

export interface DocumentServices {
  readonly service: Service<DocumentStore>;
  readonly documents: DocumentStore;
  readonly bulkhead: Bulkhead;
  /** Whether there was no database of Kennel's before this start; known once the service is ready. */
  isFirstStart(): boolean;
  /** Tells of collections on which something has ended that an earlier life of a node, or another one, had begun before this start. */
  followSettled(listener: (collection: string) => void): void;
  /** Rejects when the database was reached and is one that this Kennel must not use; never resolves. */
  readonly refused: Promise<never>;
}

/** The file in the data folder, or the MongoDB that the configuration names. */
export function superviseDocuments(parts: ServiceParts): DocumentServices {
  const { supervisor, config, tap } = parts;
  const { open, pool, isFirstStart, followSettled } = config.mongodb.url === "" ? embedded(parts) : mongodb(parts);
  const refused = Promise.withResolvers<never>();
  refused.promise.catch(() => {}); // a start that is over does not listen any more
  const service = superviseService<DocumentStore>(supervisor, {
    name: "document_store",
    kind: "document_store",
    limits: config.supervision.documentStore,
    open: async () => tap.documents(await open().catch((thrown) => refuseForeign(thrown, refused.reject))),
    close: (store) => store.close(),
    probe: (store, signal) => store.probe(signal),
    ...(pool === null ? {} : { pool }),
  });
  const bulkhead = makeBulkhead(parts, "document_store", config.supervision.documentStore.maxInFlight);
  return {
    service,
    documents: superviseDocumentStore(service, config.documentStore.callTimeoutMs, bulkhead),
    bulkhead,
    isFirstStart,
    followSettled,
    refused: refused.promise,
  };
}

function refuseForeign(thrown: unknown, refuse: (error: KennelError) => void): never {
  const error = toKennelError(thrown);
  if (error.code === "conflict") refuse(error);
  throw error;
}

interface Adapter {
  open(): Promise<DocumentStore>;
  readonly pool: (() => PoolStats) | null;
  readonly isFirstStart: () => boolean;
  readonly followSettled: DocumentServices["followSettled"];
}

/** What others have begun mostly ends within milliseconds. One that has died is waited for no longer, since it has its lease for seconds. */
const SETTLE_MS = 2_000;

function embedded({ config, clock }: ServiceParts): Adapter {
  const path = join(config.dataDir, DATABASE_FILE);
  const isNew = !existsSync(path);
  return {
    open: () => openLibsqlDocumentStore({ ...config.documentStore, path, maxPages: 0, clock }),
    pool: null,
    isFirstStart: () => isNew,
    followSettled: () => {}, // nobody else writes to it
  };
}

function mongodb({ config, clock }: ServiceParts): Adapter {
  const gauge = new PoolGauge();
  const { callTimeoutMs } = config.documentStore;
  let isNew = false;
  const onCreated = () => {
    isNew = true;
  };
  const listeners: ((collection: string) => void)[] = [];
  const onSettled = (collection: string) => {
    for (const listener of listeners) listener(collection);
  };
  const options = { ...config.mongodb, callTimeoutMs, settleMs: SETTLE_MS, gauge, onCreated, onSettled, clock };
  return {
    open: () => openMongoDocumentStore(options),
    pool: () => gauge.read(),
    isFirstStart: () => isNew,
    followSettled: (listener) => listeners.push(listener),
  };
}
