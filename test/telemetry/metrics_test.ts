import { suite } from "uvu";
import * as assert from "uvu/assert";
import { MODES } from "../../actors/retriever/search.ts";
import { loadConfig } from "../../config/load.ts";
import { ERROR_TABLE } from "../../runtime/errors.ts";
import type { ActorReading } from "../../telemetry/actor_metrics.ts";
import { createMetrics } from "../../telemetry/metrics.ts";
import type { MetricSources } from "../../telemetry/observed_metrics.ts";

const test = suite("metrics");
const OPTIONS = { version: "1.2.3", runtime: "test 0", maxCollections: 200, maxActors: 300, maxKeys: 2 };

function actor(path: string, changes: Partial<ActorReading> = {}): ActorReading {
  return {
    path,
    kind: "retriever",
    state: "ready",
    incarnation: 1,
    restarts: { count: 0 },
    breaker: "closed",
    mailbox: { depth: 0, oldest_ms: 0 },
    in_flight: 0,
    latency_ms: { p50: 0, p95: 0, p99: 0 },
    children: [],
    ...changes,
  };
}

function sources(changes: Partial<MetricSources> = {}): MetricSources {
  return {
    actors: () => actor("node", { kind: "supervisor" }),
    eventLoopLagSeconds: (quantile) => quantile,
    process: () => ({ residentBytes: 1_000, limitBytes: 2_000, heapUsedBytes: 500, cpuSeconds: 1.5, uptimeSeconds: 10 }),
    caches: { result: () => ({ hits: 3, misses: 1, entries: 2, bytes: 64 }) },
    retrievers: () => ({ active: 2, bytes: 4_096, shedding: { optional_work: 1, load: 0 } }),
    bulkheads: () => [{ resource: "vector_store", places: 8, taken: 6, waiting: 3, refused: 2 }],
    hedging: () => ({ calls: 100, hedged: 4, won: 3, refused: 1 }),
    mode: () => "full",
    modes: ["full", "down"],
    modesEntered: () => new Map([["lexical", 3]]),
    flags: () => [{ flag: "hedging", enabled: false }],
    jobQueue: () => ({ pending: 7, inFlight: 3, redelivered: 1 }),
    dependencies: () => ({ vector_store: true, embedding: false }),
    isNatsConnected: () => true,
    ...changes,
  };
}

const search = (collection: string) => ({ collection, mode: "full", cache: "miss", strategy: "hybrid", timingsMs: { embed: 1, total: 4 } });

test("Metrics of two nodes in one process do not meet", async () => {
  const [left, right] = [createMetrics(OPTIONS), createMetrics(OPTIONS)];
  left.search.answered(search("docs"));
  assert.match(await left.render(), 'kennel_searches_total{collection="docs",mode="full",cache="miss"} 1');
  assert.not.match(await right.render(), 'collection="docs"');
});

test("Every metric is named after Kennel, ends in its unit where it has one, and says what it is", async () => {
  const metrics = createMetrics(OPTIONS);
  metrics.observe(sources());
  const lines = (await metrics.render()).split("\n");
  const types = lines.filter((line) => line.startsWith("# TYPE "));
  assert.ok(types.length >= 30, `${types.length} metrics`);
  for (const line of types) {
    const [, , name, type] = line.split(" ") as [string, string, string, string];
    assert.match(name, /^kennel_[a-z0-9_]+$/);
    if (type === "counter") assert.match(name, /_total$/);
    if (type === "histogram") assert.match(name, /_seconds$/);
    assert.ok(
      lines.some((help) => help.startsWith(`# HELP ${name} `) && help.length > `# HELP ${name} `.length + 3),
      name,
    );
  }
});

test("A search is counted by collection and timed by phase", async () => {
  const metrics = createMetrics(OPTIONS);
  metrics.search.answered(search("docs"));
  metrics.search.failed("docs", "overloaded");
  metrics.search.degraded("embed", "unavailable");
  const text = await metrics.render();
  assert.match(text, 'kennel_search_phase_duration_seconds_bucket{le="0.001",phase="embed"} 1');
  assert.match(text, 'kennel_search_phase_duration_seconds_sum{phase="total"} 0.004');
  assert.match(text, 'kennel_search_failures_total{collection="docs",code="overloaded"} 1');
  assert.match(text, 'kennel_search_degradations_total{stage="embed",reason="unavailable"} 1');
});

test("A collection that does not exist takes no series", async () => {
  const metrics = createMetrics(OPTIONS);
  for (let at = 0; at < 500; at++) metrics.search.failed(`guess-${at}`, "not_found");
  metrics.search.answered(search("docs"));
  const text = await metrics.render();
  assert.match(text, 'kennel_search_failures_total{collection="_other",code="not_found"} 500');
  assert.match(text, 'collection="docs"');
});

test("Collections beyond the bound are counted together", async () => {
  const metrics = createMetrics({ ...OPTIONS, maxCollections: 2 });
  for (const name of ["a", "b", "c", "d", "a"]) metrics.search.answered(search(name));
  const text = await metrics.render();
  assert.match(text, 'kennel_searches_total{collection="a",mode="full",cache="miss"} 2');
  assert.match(text, 'kennel_searches_total{collection="_other",mode="full",cache="miss"} 2');
  assert.not.match(text, 'collection="c"');
});

test("A scrape of a node with 10,000 collections, each with every outcome and a retriever, stays under 2 MB", async () => {
  const { maxCollections, maxActors } = loadConfig({
    environment: {},
    readFile: () => null,
    hostName: () => "host",
    workingFolder: "/",
  }).metrics;
  const metrics = createMetrics({ ...OPTIONS, maxCollections, maxActors });
  const names = Array.from({ length: 10_000 }, (_, at) => `collection-with-a-long-name-${at}`);
  for (const collection of names) {
    for (const mode of MODES)
      for (const cache of ["hit", "miss", "coalesced", "none"]) metrics.search.answered({ ...search(collection), mode, cache });
    for (const code of Object.keys(ERROR_TABLE)) metrics.search.failed(collection, code);
  }
  const children = names.map((name) => actor(`node/retrievers/${name}.v1`, { pool: { idle: 1, in_use: 1, waiting: 1, limit: 1, max: 1 } }));
  metrics.observe(sources({ actors: () => actor("node", { kind: "supervisor", children }) }));
  const text = await metrics.render();
  assert.ok(text.length < 2_000_000, `${text.length} bytes`);
  assert.match(text, 'collection="_other"');
});

test("A deleted collection's series end and another takes its place", async () => {
  const metrics = createMetrics({ ...OPTIONS, maxCollections: 1 });
  metrics.search.answered(search("old"));
  metrics.forgetCollection("old");
  metrics.search.answered(search("new"));
  await Promise.resolve();
  const text = await metrics.render();
  assert.not.match(text, 'collection="old"');
  assert.match(text, 'collection="new"');
});

test("Actors are read from the tree at the time of the scrape, and passivated ones leave", async () => {
  const metrics = createMetrics(OPTIONS);
  let children = [actor("node/a", { mailbox: { depth: 7, oldest_ms: 250 }, breaker: "open", state: "suspended" }), actor("node/b")];
  metrics.observe(sources({ actors: () => actor("node", { kind: "supervisor", children }) }));
  const before = await metrics.render();
  assert.match(before, 'kennel_actor_mailbox_depth{actor="node/a",kind="retriever"} 7');
  assert.match(before, 'kennel_actor_mailbox_oldest_seconds{actor="node/a",kind="retriever"} 0.25');
  assert.match(before, 'kennel_actor_breaker{actor="node/a",kind="retriever"} 2');
  assert.match(before, 'kennel_actors{kind="retriever",state="suspended"} 1');
  children = [];
  const after = await metrics.render();
  assert.not.match(after, "node/a");
});

test("Connections are read from the tree, of those actors that have some", async () => {
  const metrics = createMetrics(OPTIONS);
  const children = [actor("node/store", { pool: { idle: 2, in_use: 3, waiting: 4, limit: 5, max: 6 } }), actor("node/b")];
  metrics.observe(sources({ actors: () => actor("node", { kind: "supervisor", children }) }));
  const text = await metrics.render();
  assert.match(text, 'kennel_pool_idle_connections{actor="node/store",kind="retriever"} 2');
  assert.match(text, 'kennel_pool_used_connections{actor="node/store",kind="retriever"} 3');
  assert.match(text, 'kennel_pool_waiting_calls{actor="node/store",kind="retriever"} 4');
  assert.match(text, 'kennel_pool_limit_connections{actor="node/store",kind="retriever"} 5');
  assert.match(text, 'kennel_pool_max_connections{actor="node/store",kind="retriever"} 6');
  assert.not.match(text, 'kennel_pool_idle_connections{actor="node/b"');
});

test("Totals that are kept elsewhere are shown as they are, however often they are scraped", async () => {
  const metrics = createMetrics(OPTIONS);
  metrics.observe(sources());
  await metrics.render();
  const text = await metrics.render();
  assert.match(text, 'kennel_cache_lookups_total{cache="result",result="hit"} 3');
  assert.match(text, "kennel_process_cpu_seconds_total 1.5");
  assert.match(text, 'kennel_mode{mode="full"} 1');
  assert.match(text, 'kennel_mode{mode="down"} 0');
  assert.match(text, 'kennel_event_loop_lag_seconds{quantile="0.99"} 0.99');
});

test("A scrape with 10,000 busy collections stays under 2 MB", async () => {
  const metrics = createMetrics(OPTIONS);
  const children = Array.from({ length: 10_000 }, (_, at) => actor(`node/retrievers/collection-with-a-long-name-${at}`));
  metrics.observe(sources({ actors: () => actor("node", { kind: "supervisor", children }) }));
  for (let at = 0; at < 10_000; at++) {
    for (const mode of ["full", "basic", "lexical"]) {
      for (const cache of ["hit", "miss", "coalesced"])
        metrics.search.answered({ ...search(`collection-with-a-long-name-${at}`), mode, cache });
    }
    metrics.search.failed(`collection-with-a-long-name-${at}`, "overloaded");
  }
  const bytes = new TextEncoder().encode(await metrics.render()).length;
  assert.ok(bytes < 2_000_000, `${bytes} bytes`);
});

test.run();
