/** A node that has joined the others before it has read its collections: its document store was away when it started. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createCatalog } from "../../../actors/document_store/catalog_view.ts";
import type { CollectionRecord } from "../../../actors/document_store/collection_record.ts";
import type { DocumentStore } from "../../../actors/document_store/document_store.ts";
import { NO_CONTROL } from "../../../cluster/lease/control.ts";
import { CatalogSync } from "../../../node/cluster/catalog_sync.ts";
import type { SearchCluster } from "../../../node/cluster/clustered_transport.ts";
import { Leading } from "../../../node/cluster/leading.ts";
import { LocalRetrievers, type LocalRetrieversParts } from "../../../node/cluster/local_retrievers.ts";
import { createLogger } from "../../../telemetry/logs.ts";
import { localTransport } from "../../../transport/local.ts";
import { OPEN_SCOPE } from "../../../transport/transport.ts";
import { manualClock } from "../../support/manual_clock.ts";
import { rejects } from "../../transport/transport_contract.ts";

const test = suite("unknown collections");
const logger = createLogger({ level: "silent", node: "test" });
const never = new AbortController().signal;
const docs = { name: "docs", createdAtMs: 1, version: 1, indexVersion: 1, versions: [], settings: { replicas: 3 }, attributes: {} };

function unread() {
  const store = {
    listCollections: async () => ({ items: [docs as unknown as CollectionRecord], next: null }),
    listAliases: async () => [],
  } as unknown as DocumentStore;
  const catalog = createCatalog({ store, indexes: { drop: async () => {} }, maxCollections: 10, maxAliases: 10, onChange: () => {} });
  return { catalog, clock: manualClock() };
}

test("A place is found for a collection of others, and what they ask is refused by the retrievers alone", async () => {
  const { catalog, clock } = unread();
  const local = new LocalRetrievers({ catalog, clock, logger, transport: localTransport(clock) } as unknown as LocalRetrieversParts);
  assert.is(local.replicasOf("docs"), 1);
  const headers = { requestId: "r", timeoutMs: 1_000, traceparent: null, scope: OPEN_SCOPE };
  await rejects(local.answer({ request: { collection: "docs" } as never, headers }, never), "unavailable");
  await catalog.load(never);
  assert.is(local.replicasOf("docs"), 3);
});

test("A name is asked of the others as it is, and changes are found by the reading itself", async () => {
  const { catalog, clock } = unread();
  const looked: string[] = [];
  const sync = new CatalogSync({
    documents: { listCollections: () => Promise.reject(new Error("nobody should ask")) },
    catalog,
    changedElsewhere: async (name) => void looked.push(name),
    clock,
    logger,
  });
  assert.is(sync.nameOf("docs"), "docs");
  sync.changed("docs");
  await sync.rescan();
  assert.equal(looked, []);
  await catalog.load(never);
  sync.changed("docs");
  assert.equal(looked, ["docs"]);
  sync.stop();
});

test("A leader says nothing of places before it knows the collections, and then does", async () => {
  const { catalog, clock } = unread();
  const told: unknown[] = [];
  const cluster = {
    leadsIn: 1,
    control: NO_CONTROL,
    placement: { exceptions: new Map() },
    membership: { placeable: () => [], all: () => [], placementVersion: 1 },
    tell: (content: unknown) => told.push(content),
  } as unknown as SearchCluster;
  const leading = new Leading(cluster, catalog, clock, 64, { replicaGrowth: true });
  await clock.advance(4_000);
  assert.is(told.length, 0);
  await catalog.load(never);
  await clock.advance(2_000);
  assert.is(told.length, 1);
  leading.stop();
});

test.run();
