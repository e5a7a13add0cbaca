import fc from "fast-check";
import { Histogram, Registry } from "prom-client";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readSearches, searchInterval } from "../../../../bridge/http/page/browser/latency.js";
import { between, quantile, readHistogram, readSamples } from "../../../../bridge/http/page/browser/metrics_text.js";
import { metrics } from "./recorded_answers.ts";

const test = suite("page metrics");
const all = () => true;

async function scrape(observations: readonly { readonly phase: string; readonly value: number }[]) {
  const registry = new Registry();
  const histogram = new Histogram({
    name: "took_seconds",
    help: "h",
    labelNames: ["phase"],
    buckets: [0.001, 0.01, 0.1, 1],
    registers: [registry],
  });
  for (const { phase, value } of observations) histogram.observe({ phase }, value);
  return registry.metrics();
}

test("A histogram written by prom-client is added up over the label sets that were asked for", async () => {
  const text = await scrape([
    { phase: 'odd "label"\n\\', value: 0.005 },
    { phase: "total", value: 0.05 },
    { phase: "total", value: 0.0005 },
  ]);
  assert.is(readHistogram(text, "took_seconds", all).count, 3);
  const total = readHistogram(text, "took_seconds", ({ phase }) => phase === "total");
  assert.equal(
    total.buckets.map(({ count }) => count),
    [1, 1, 2, 2, 2],
  );
  assert.is(readSamples(text, "took_seconds")[0]?.labels.phase, 'odd "label"\n\\');
});

test("A quantile lies in the bucket of the observation it stands for", async () => {
  const bounds = [0, 0.001, 0.01, 0.1, 1];
  const rounding = 1e-9;
  const values = fc.array(fc.double({ min: 0.00001, max: 0.99, noNaN: true }), { minLength: 1, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(values, fc.constantFrom(0.5, 0.95, 0.99, 1), async (observed, share) => {
      const reading = readHistogram(await scrape(observed.map((value) => ({ phase: "total", value }))), "took_seconds", all);
      const found = quantile(reading, share);
      const exact = observed.toSorted((a, b) => a - b)[Math.ceil(share * observed.length) - 1] as number;
      const upper = bounds.findIndex((bound) => exact <= bound);
      assert.ok(
        found !== null && found >= (bounds[upper - 1] as number) - rounding && found <= (bounds[upper] as number) + rounding,
        `${found} for ${exact}`,
      );
    }),
    { numRuns: 60 },
  );
});

test("A quantile of nothing is nothing, and one beyond the last bound is that bound", async () => {
  assert.is(quantile(readHistogram("", "took_seconds", all), 0.5), null);
  assert.is(quantile(readHistogram(await scrape([{ phase: "total", value: 60 }]), "took_seconds", all), 0.99), 1);
});

test("What happened between two readings leaves out what came before", () => {
  const observed = between(readSearches(metrics(100)).answered, readSearches(metrics(140)).answered);
  assert.is(observed.count, 40);
  assert.is(observed.buckets[1]?.count, 20);
});

test("Counters that began anew after a restart of the server count from zero", () => {
  const interval = searchInterval(readSearches(metrics(1000, 50)), readSearches(metrics(10, 2)), 1000, 0);
  assert.is(interval.perSecond, 10);
  assert.is(interval.failedPerSecond, 2);
});

test("An interval of searches has its rate and its quantiles in milliseconds", () => {
  const interval = searchInterval(readSearches(metrics(0)), readSearches(metrics(40, 4)), 2000, 5);
  assert.is(interval.perSecond, 20);
  assert.is(interval.failedPerSecond, 2);
  assert.is(interval.p50Ms, 5);
  assert.ok(interval.p99Ms !== null && interval.p99Ms > 5 && interval.p99Ms <= 25);
});

test("An interval without a search has no quantiles", () => {
  const interval = searchInterval(readSearches(metrics(7)), readSearches(metrics(7)), 2000, 5);
  assert.is(interval.p99Ms, null);
  assert.is(interval.perSecond, 0);
});

test.run();
