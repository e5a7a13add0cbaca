import { Registry } from "prom-client";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { toOpenMetrics } from "../../telemetry/open_metrics.ts";
import { SeriesCounter, SeriesHistogram } from "../../telemetry/series.ts";

const test = suite("OpenMetrics");

test("An exemplar stands behind the bucket of its observation, whatever the label holds", async () => {
  const registry = new Registry();
  const options = { name: "kennel_x_seconds", help: "X", labelNames: ["route"], bounds: [0.1, 1], registry };
  const histogram = new SeriesHistogram(options);
  for (const route of ["/plain", 'with "quotes", \\ and\nlines {le="1"}']) {
    for (const value of [0.05, 0.5, 5]) {
      histogram.observe(value, route);
      histogram.exemplify({ traceId: `t${value}`, value, at: 1_700_000_000.1234 }, route);
    }
  }
  const text = toOpenMetrics(await registry.metrics(), histogram.exemplars());
  const buckets = text.split("\n").filter((line) => line.includes("_bucket{"));
  assert.is(buckets.length, 6);
  for (const [le, value] of [
    ["0.1", 0.05],
    ["1", 0.5],
    ["+Inf", 5],
  ] as const) {
    const own = buckets.filter((line) => line.includes(`_bucket{le="${le}",`));
    assert.is(own.length, 2, le);
    for (const line of own) assert.match(line, ` # {trace_id="t${value}"} ${value} 1700000000.123`);
  }
});

test("Counters lose their ending in what is said of them alone, and the text ends as it must", async () => {
  const registry = new Registry();
  new SeriesCounter({ name: "kennel_y_total", help: "Y of a _total ", labelNames: ["a"], registry }).increment("1");
  const text = toOpenMetrics(await registry.metrics(), new Map());
  assert.is(text, '# HELP kennel_y Y of a _total \n# TYPE kennel_y counter\nkennel_y_total{a="1"} 1\n# EOF\n');
});

test.run();
