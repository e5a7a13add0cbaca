import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DASHBOARDS } from "../../tooling/dashboards/dashboards.ts";
import { toGrafana } from "../../tooling/dashboards/grafana.ts";
import type { GridPosition } from "../../tooling/dashboards/grafana_json.ts";
import { dashboardPage } from "../../tooling/dashboards/pictures/page.ts";
import { rateIntervalOf, samplePanels } from "../../tooling/dashboards/pictures/samples.ts";
import { inUnit, ticksUpTo } from "../../tooling/dashboards/pictures/units.ts";

const test = suite("pictures of dashboards");
const dashboards = DASHBOARDS.map(toGrafana);

/** Cells of the grid that a panel takes. */
const cellsOf = ({ x, y, w, h }: GridPosition) =>
  Array.from({ length: w * h }, (_, place) => `${x + (place % w)},${y + Math.floor(place / w)}`);

test("Panels fill Grafana's grid of 24 columns line by line, without a gap and without lying on each other", () => {
  for (const { title, panels } of dashboards) {
    const cells = panels.flatMap(({ gridPos }) => cellsOf(gridPos));
    const height = Math.max(...panels.map(({ gridPos }) => gridPos.y + gridPos.h));
    assert.is(new Set(cells).size, cells.length, `${title}: panels lie on each other`);
    assert.is(cells.length, 24 * height, `${title}: there is a gap`);
  }
});

test("A panel's title is its own within its dashboard, and its description adds something", () => {
  for (const { rows } of DASHBOARDS) {
    const panels = rows.flatMap((row) => row.panels);
    assert.is(new Set(panels.map(({ title }) => title)).size, panels.length);
    for (const { title, description } of panels) assert.ok(description !== "" && description !== title, title);
  }
});

test("A panel without samples says that there are none, in its own words where it has some", async () => {
  const [dashboard] = dashboards as [(typeof dashboards)[0]];
  const range = { fromS: 0, toS: 10, stepS: 1 };
  const sampled = await samplePanels({ queryRange: async () => [] }, dashboard, range, "8s");
  const page = dashboardPage(dashboard, sampled, { fromS: 0, stepS: 1, steps: 11 });
  assert.match(page, /data-panel="Degradations".*<div class="none">None<\/div>/);
  assert.match(page, /data-panel="Busiest collections".*<div class="none">No data<\/div>/);
});

test("Names from a node's labels are text in the page, whatever they hold", async () => {
  const [dashboard] = dashboards as [(typeof dashboards)[0]];
  const name = '<img src="x">';
  const metric = { collection: name, stage: name, reason: name, version: name };
  const queryRange = async () => [{ metric, values: [[0, 1] as const, [1, Number.NaN] as const, [2, 3] as const] }];
  const sampled = await samplePanels({ queryRange }, dashboard, { fromS: 0, toS: 2, stepS: 1 }, "8s");
  const page = dashboardPage(dashboard, sampled, { fromS: 0, stepS: 1, steps: 3 });
  assert.not.match(page, name);
  assert.match(page, "&lt;img src=&quot;x&quot;&gt;");
  const [first] = [...sampled.values()] as [NonNullable<ReturnType<typeof sampled.get>>];
  assert.equal(first, [{ legend: name, values: [1, null, 3] }], "NaN is a gap");
});

test("Values are written as Grafana writes its units", () => {
  const written = [
    [0.0235, "s", "23.5 ms"],
    [0.000496, "s", "496 µs"],
    [90, "s", "1.5 mins"],
    [0, "s", "0 s"],
    [1_572_864, "bytes", "1.5 MiB"],
    [0.0234, "percentunit", "2.34%"],
    [2.5, "currencyUSD", "$2.5"],
    [12_345, "short", "12.3 K"],
    [32, "reqps", "32 req/s"],
    [0.4, "none", "0.4"],
  ] as const;
  for (const [value, unit, words] of written) assert.is(inUnit(value, unit), words);
  assert.throws(() => inUnit(1, "furlongs"), /do not know this unit/);
});

test("A scale's ticks are round, begin at 0 and reach the greatest value; of whole things there are no parts", () => {
  assert.equal(ticksUpTo(0.0235, "s"), [0, 0.01, 0.02, 0.03]);
  assert.equal(ticksUpTo(1, "short"), [0, 1]);
  assert.equal(ticksUpTo(0, "short"), [0, 1]);
  assert.equal(ticksUpTo(3 * 1_048_576, "bytes"), [0, 1_048_576, 2 * 1_048_576, 3 * 1_048_576]);
});

test("A rate looks back over four scrapes at least, as Grafana's does", () => {
  assert.is(rateIntervalOf(1, 2), "8s");
  assert.is(rateIntervalOf(60, 15), "75s");
});

test.run();
