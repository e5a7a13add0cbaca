import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parse } from "yaml";
import { createMetrics } from "../../telemetry/metrics.ts";
import { DASHBOARDS } from "../../tooling/dashboards/dashboards.ts";

const test = suite("alerts and dashboards");
const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const read = (name: string) => readFileSync(path(name), "utf8");

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly runbook: string };
}

const rules = (parse(read("k8s/chart/monitoring/alerts.yaml")) as { groups: { rules: Rule[] }[] }).groups.flatMap((group) => group.rules);
const tested = (parse(read("k8s/chart/monitoring/alerts_test.yaml")) as { tests: { name: string }[] }).tests.map(({ name }) => name);

async function exported(): Promise<ReadonlySet<string>> {
  const metrics = createMetrics({ version: "1", runtime: "test", maxCollections: 1, maxActors: 1, maxKeys: 1 });
  const root = { path: "n", kind: "k", state: "ready", incarnation: 1, restarts: { count: 0 }, breaker: "closed" as const, in_flight: 0 };
  metrics.observe({
    actors: () => ({ ...root, mailbox: { depth: 0, oldest_ms: 0 }, latency_ms: { p50: 0, p95: 0, p99: 0 }, children: [] }),
    eventLoopLagSeconds: () => 0,
    process: () => ({ residentBytes: 0, limitBytes: 0, heapUsedBytes: 0, cpuSeconds: 0, uptimeSeconds: 0 }),
    caches: {},
    retrievers: () => ({ active: 0, bytes: 0, shedding: {} }),
    bulkheads: () => [],
    hedging: () => ({ calls: 0, hedged: 0, won: 0, refused: 0 }),
    mode: () => "full",
    modes: ["full"],
    modesEntered: () => new Map(),
    flags: () => [{ flag: "hedging", enabled: false }],
    jobQueue: () => ({ pending: 0, inFlight: 0, redelivered: 0 }),
    dependencies: () => ({}),
    isNatsConnected: () => null,
  });
  return new Set([...(await metrics.render()).matchAll(/^# TYPE (\S+)/gm)].map((found) => found[1] as string));
}

const metricsIn = (expression: string) =>
  [...expression.matchAll(/kennel_[a-z0-9_]+/g)].map(([name]) => name.replace(/_(bucket|count|sum)$/, ""));

test("Every alert has a test, a runbook with the same headings, and says how serious it is", () => {
  assert.ok(rules.length >= 15);
  assert.equal(tested.sort(), rules.map(({ alert }) => alert).sort());
  for (const { alert, labels, annotations } of rules) {
    assert.is(annotations.runbook, `docs/runbooks/${alert}.md`);
    assert.ok(["critical", "warning"].includes(labels.severity), alert);
    const headings = [...read(annotations.runbook).matchAll(/^#+ .*$/gm)].map(([line]) => line);
    assert.equal(headings, [`# ${alert}`, "## What callers notice", "## Where to look", "## What to do"]);
  }
});

test("There is no runbook without an alert, and none points nowhere", () => {
  const files = readdirSync(path("docs/runbooks"));
  assert.equal(files.sort(), rules.map(({ alert }) => `${alert}.md`).sort());
  for (const file of files) {
    for (const [, target] of read(`docs/runbooks/${file}`).matchAll(/\]\(([^)]+)\)/g))
      assert.ok(existsSync(path(`docs/runbooks/${target}`)), `${file}: ${target}`);
  }
});

test("Alerts, panels and runbooks name only metrics that a node exports", async () => {
  const known = await exported();
  const named = [
    ...rules.map(({ expr }) => expr),
    ...DASHBOARDS.flatMap(({ rows }) =>
      rows.flatMap(({ panels }) => panels.flatMap(({ queries }) => queries.map(([expression]) => expression))),
    ),
    ...readdirSync(path("docs/runbooks")).map((file) => read(`docs/runbooks/${file}`).replaceAll("kennel_pool_*", "")),
  ].flatMap(metricsIn);
  assert.ok(named.length > 80);
  assert.equal(
    [...new Set(named)].filter((name) => !known.has(name)),
    [],
  );
});

test.run();
