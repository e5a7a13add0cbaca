import type { Modes } from "../actors/coordinator/modes.ts";
import { type Catalog, type CollectionIndexes, openCatalog } from "../actors/document_store/catalog.ts";
import { RetrieverRegistry } from "../actors/retriever/registry/registry.ts";
import type { DocumentIngest } from "../bridge/http/collaborators.ts";
import type { Config } from "../config/schema.ts";
import type { Clock } from "../runtime/clock.ts";
import { kennelError } from "../runtime/errors.ts";
import type { Random } from "../runtime/random.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import type { Logger } from "../telemetry/logs.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { registryOptions } from "./options.ts";
import type { Services } from "./services.ts";

export interface CoreParts {
  readonly config: Config;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly supervisor: Supervisor;
  readonly services: Services;
  readonly modes: Modes;
}

/** What a node does, apart from how requests get in: collections, retrievers, ingest. */
export interface Core {
  readonly catalog: Catalog;
  readonly registry: RetrieverRegistry;
  readonly ingest: DocumentIngest;
}

/**
 * Catalog, registry and ingest know each other only by callbacks that are set here: the catalog tells the registry what
 * changed, ingest tells both which index version a collection has.
 */
export async function startCore(parts: CoreParts): Promise<Core> {
  const { config, services, supervisor, metrics } = parts;
  const indexes: CollectionIndexes = {
    create: (record, signal) =>
      services.vectors.createIndex(
        { collection: record.name, version: record.version },
        { dimensions: services.embedding.dimensions, language: record.settings.language, attributes: record.attributes },
        signal,
      ),
    drop: (record, signal) => services.vectors.dropIndex({ collection: record.name, version: record.version }, signal),
  };
  const followers: ((name: string, record: Parameters<RetrieverRegistry["changed"]>[1]) => void)[] = [];
  const catalog = await openCatalog(
    {
      store: services.documents,
      indexes,
      ...config.catalog,
      onChange: (name, record) => {
        if (record === null) metrics.forgetCollection(name);
        for (const follow of followers) follow(name, record);
      },
    },
    AbortSignal.timeout(config.documentStore.callTimeoutMs),
  );
  const registry = new RetrieverRegistry(
    {
      clock: parts.clock,
      random: parts.random,
      logger: parts.logger,
      metrics: { ...metrics.search, ...metrics.retriever },
      supervisor: supervisor.spawnSupervisor("retrievers", { shutdown: "together" }),
      collections: catalog,
      pinned: () => pinnedOf(catalog),
      vectorStore: services.vectors,
      lexicalIndex: services.vectors,
      models: (name) => modelOf(services, name),
      documents: services.documents,
      modes: parts.modes,
    },
    registryOptions(config),
  );
  followers.push((name, record) => void registry.changed(name, record));
  return { catalog, registry, ingest: TEMP_INGEST };
}

function modelOf(services: Services, name: string): Services["embedding"] {
  if (name === services.embedding.name) return services.embedding;
  throw kennelError("unavailable", { message: `This node does not have the embedding model "${name}"` });
}

function pinnedOf(catalog: Catalog): readonly string[] {
  const pinned: string[] = [];
  let after: string | null = null;
  do {
    const page: ReturnType<Catalog["list"]> = catalog.list({ after, limit: 1_000 });
    for (const { name, settings } of page.items) if (settings.pinned) pinned.push(name);
    after = page.next;
  } while (after !== null);
  return pinned;
}

const TEMP_INGEST: DocumentIngest = {
  accept: () => Promise.reject(kennelError("unavailable")),
  deleteDocuments: () => Promise.reject(kennelError("unavailable")),
  deleteMatching: () => Promise.reject(kennelError("unavailable")),
  cancel: () => Promise.reject(kennelError("unavailable")),
};
