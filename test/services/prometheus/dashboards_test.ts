import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DASHBOARDS } from "../../../tooling/dashboards/dashboards.ts";
import { toGrafana } from "../../../tooling/dashboards/grafana.ts";
import { dashboardPage, PAGE_PX } from "../../../tooling/dashboards/pictures/page.ts";
import { samplePanels, withVariables } from "../../../tooling/dashboards/pictures/samples.ts";
import { type PrometheusServer, startPrometheus } from "../../../tooling/servers/prometheus.ts";
import { until } from "../../journeys/caller.ts";
import { makeUseOf, startModels } from "../../journeys/everything_counted.ts";
import { onNode } from "../../journeys/node_rig.ts";
import { openBrowser, sidewaysOverflow } from "../../support/browser.ts";
import { runProcess } from "../../support/command_process.ts";
import { prometheusPath, promtoolPath } from "../../support/services.ts";
import { lookAtPanels } from "./panels_on_page.ts";

const test = suite("alerts and dashboards in a real Prometheus");
const MONITORING = fileURLToPath(new URL("../../../k8s/chart/monitoring/", import.meta.url));
const ALERTS = join(MONITORING, "alerts.yaml");
const SCRAPE_MS = 250;
const RATE_INTERVAL = "20s";

const promtool = (...args: readonly string[]) => runProcess(promtoolPath(), args, {}).ended;

test("promtool accepts every rule, and its tests see each alert fire and clear", async () => {
  const checked = await promtool("check", "rules", ALERTS);
  assert.is(checked.exitCode, 0, checked.err);
  const ran = await promtool("test", "rules", join(MONITORING, "alerts_test.yaml"));
  assert.is(ran.exitCode, 0, ran.err);
  assert.match(ran.out, "SUCCESS");
});

/** Every panel's expressions, as Grafana would send them for all nodes. */
const expressions = DASHBOARDS.flatMap(({ uid, rows }) =>
  rows.flatMap(({ panels }) =>
    panels.flatMap(({ title, queries, whenEmpty }) =>
      queries.map(([expression]) => ({
        panel: `${uid}, ${title}`,
        expression: withVariables(expression, RATE_INTERVAL),
        mayBeEmpty: whenEmpty !== undefined,
      })),
    ),
  ),
);

async function withoutData(prometheus: PrometheusServer): Promise<readonly string[]> {
  const missing: string[] = [];
  for (const { panel, expression, mayBeEmpty } of expressions) {
    const found = await prometheus.query(expression);
    if (!mayBeEmpty && !found.some(({ value }) => !Number.isNaN(value))) missing.push(`${panel}: ${expression}`);
  }
  return missing;
}

/** A real Prometheus with the alerts' rules scrapes a real node, which is used until every panel has data. */
async function onScrapedNode(look: (prometheus: PrometheusServer) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "kennel-prometheus-"));
  const models = await startModels();
  let prometheus: PrometheusServer | null = null;
  try {
    await onNode(models.settings, async ({ caller }) => {
      const targets = [new URL(caller.url).host];
      const started = await startPrometheus(prometheusPath(), folder, { rules: [ALERTS], targets, scrapeIntervalMs: SCRAPE_MS });
      prometheus = started;
      let turn = 0;
      let missing: readonly string[] = [];
      await until("every panel has data", async () => {
        await makeUseOf(caller, turn++);
        missing = await withoutData(started);
        return missing.length === 0;
      }).catch((error: Error) => {
        throw new Error(`${error.message}; without data in turn ${turn}: ${missing.join("; ")}`, { cause: error });
      });
      await look(started);
    });
  } finally {
    await (prometheus as PrometheusServer | null)?.stop();
    await models.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

test("Every panel of every dashboard shows data of a real node, and every alert's rule can be evaluated", () =>
  onScrapedNode(async (prometheus) => {
    const rules = await prometheus.rules();
    assert.ok(rules.length >= 15);
    for (const { name, health, lastError, state } of rules) assert.is(health, "ok", `${name}: ${lastError} (${state})`);
    const firing = rules.filter(({ state }) => state === "firing").map(({ name }) => name);
    assert.equal(firing, [], "a node that is well raises no alarm");
  }));

test("In a browser every panel of the pictures shows its data, and nothing lies on something else or is cut off", () =>
  onScrapedNode(async (prometheus) => {
    const toS = Math.floor(Date.now() / 1_000) + 1;
    const frame = { fromS: toS - 20, stepS: 1, steps: 21 };
    const browser = await openBrowser({ origin: "http://none.invalid", width: PAGE_PX, height: 900, colorScheme: "light" });
    try {
      for (const dashboard of DASHBOARDS) {
        const grafana = toGrafana(dashboard);
        const sampled = await samplePanels(prometheus, grafana, { fromS: frame.fromS, toS, stepS: 1 }, RATE_INTERVAL);
        await browser.page.setContent(dashboardPage(grafana, sampled, frame));
        const mayBeEmpty = dashboard.rows.flatMap(({ panels }) => panels.filter(({ whenEmpty }) => whenEmpty !== undefined));
        const { shown, empty, faults } = await lookAtPanels(browser.page);
        assert.equal(
          shown,
          dashboard.rows.flatMap(({ panels }) => panels.map(({ title }) => title)),
        );
        assert.equal(
          empty.filter((title) => !mayBeEmpty.some((panel) => panel.title === title)),
          [],
        );
        assert.equal(faults, []);
        assert.is(await sidewaysOverflow(browser.page), 0);
      }
      assert.equal(browser.problems, []);
    } finally {
      await browser.close();
    }
  }));

test.run();
