import { Counter, Histogram, Registry } from "prom-client";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SeriesCounter, SeriesHistogram } from "../../telemetry/series.ts";

const test = suite("series");
const BOUNDS = [0.001, 0.01, 1];

test("A histogram reads as prom-client's own does, in its text and as data", async () => {
  const [ours, theirs] = [new Registry(), new Registry()];
  const fast = new SeriesHistogram({
    name: "took_seconds",
    help: "How long",
    labelNames: ["route", "kind"],
    bounds: BOUNDS,
    registry: ours,
  });
  const reference = new Histogram({
    name: "took_seconds",
    help: "How long",
    labelNames: ["route", "kind"],
    buckets: BOUNDS,
    registers: [theirs],
  });
  for (const [value, route, kind] of [
    [0.0005, "/a", "x"],
    [0.001, "/a", "x"],
    [0.5, "/a", "y"],
    [7, 'say "hi"\n', "x"],
    [0, "/b", "x"],
  ] as const) {
    fast.observe(value, route, kind);
    reference.observe({ route, kind }, value);
  }
  assert.is(await ours.metrics(), await theirs.metrics());
  assert.equal(valuesOf(await ours.getMetricsAsJSON()), valuesOf(await theirs.getMetricsAsJSON()));
});

test("A counter reads as prom-client's own does, and a dropped value's series end", async () => {
  const [ours, theirs] = [new Registry(), new Registry()];
  const fast = new SeriesCounter({ name: "asked_total", help: "How many", labelNames: ["collection", "mode"], registry: ours });
  const reference = new Counter({ name: "asked_total", help: "How many", labelNames: ["collection", "mode"], registers: [theirs] });
  for (const [collection, mode] of [
    ["a", "full"],
    ["b", "full"],
    ["a", "full"],
    ["a", "down"],
  ] as const) {
    fast.increment(collection, mode);
    if (collection === "b") reference.inc({ collection, mode });
  }
  assert.match(await ours.metrics(), 'asked_total{collection="a",mode="full"} 2');
  assert.match(await ours.metrics(), 'asked_total{collection="a",mode="down"} 1');
  fast.drop("a");
  assert.is(await ours.metrics(), await theirs.metrics());
  fast.increment("a", "full");
  assert.match(await ours.metrics(), 'asked_total{collection="a",mode="full"} 1');
  fast.drop("a");
  fast.increment("a", "full"); // what was counted last begins anew, too
  assert.match(await ours.metrics(), 'asked_total{collection="a",mode="full"} 1');
});

function valuesOf(metrics: readonly unknown[]): unknown {
  return (metrics as readonly { values: readonly { metricName?: string; labels: object; value: number }[] }[]).map(({ values }) =>
    values.map(({ metricName, labels, value }) => ({ metricName, labels: { ...labels }, value })),
  );
}

test.run();
