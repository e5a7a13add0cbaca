import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Busyness } from "../../../cluster/placement/busyness.ts";
import { DEMAND_LIMITS, type Demand, Demands, nextDemand } from "../../../cluster/placement/demand.ts";

const test = suite("demand");
const around = { capacity: 10, most: 4, leastOf: () => 1 };

function runFor(demands: Demands, work: number, fromMs: number, durationMs: number): number {
  let places = 0;
  for (let nowMs = fromMs; nowMs < fromMs + durationMs; nowMs += 500)
    places = demands.step(new Map([["docs", work]]), around, nowMs).get("docs") ?? 1;
  return places;
}

test("A collection that stays busy gets one place after another, and no more than it needs", () => {
  const demands = new Demands(DEMAND_LIMITS);
  assert.is(runFor(demands, 12, 0, 4_500), 1, "a burst is no load");
  assert.is(runFor(demands, 12, 4_500, 1_500), 2);
  assert.is(runFor(demands, 12, 6_000, 60_000), 3, "12 at a time keep three nodes of ten places busy by less than half");
});

test("Places are given up one by one after a minute of quiet, down to what the settings say", () => {
  const demands = new Demands(DEMAND_LIMITS);
  runFor(demands, 100, 0, 60_000);
  assert.is(runFor(demands, 0, 60_000, 59_000), 4);
  assert.is(runFor(demands, 0, 119_000, 5_000), 3);
  assert.is(runFor(demands, 0, 124_000, 200_000), 1);
});

test("A new leader goes on from what the former one has told", () => {
  const demands = new Demands(DEMAND_LIMITS);
  demands.take(new Map([["docs", 3]]));
  assert.is(runFor(demands, 10, 0, 1_000), 3);
});

test("Whatever the load does, places stay between the settings and the number of nodes and change one at a time", () => {
  const loads = fc.array(fc.record({ work: fc.integer({ min: 0, max: 100 }), most: fc.integer({ min: 1, max: 6 }) }), { maxLength: 200 });
  fc.assert(
    fc.property(loads, fc.integer({ min: 1, max: 4 }), (steps, least) => {
      let demand: Demand | null = null;
      steps.forEach(({ work, most }, at) => {
        const before = Math.min(most, Math.max(Math.min(least, most), demand?.replicas ?? least));
        demand = nextDemand(demand, { work, capacity: 10, least, most }, at * 3_000, DEMAND_LIMITS);
        const after = demand?.replicas ?? Math.min(least, most);
        assert.ok(after >= Math.min(least, most) && after <= most);
        assert.ok(Math.abs(after - before) <= 1);
      });
    }),
  );
});

test("Busyness is the average of searches at a time, forgets what has become quiet, and names the busiest", () => {
  const busyness = new Busyness(0);
  const end = busyness.begin("docs", 0);
  busyness.begin("docs", 0);
  busyness.begin("notes", 0);
  for (let nowMs = 500; nowMs <= 10_000; nowMs += 500) busyness.read(8, 0, nowMs);
  assert.equal(
    [...busyness.read(8, 0.5, 10_000)],
    [
      ["docs", 2],
      ["notes", 1],
    ],
  );
  assert.equal([...busyness.read(1, 0.5, 10_000).keys()], ["docs"]);
  end(10_000);
  for (let nowMs = 10_500; nowMs <= 20_000; nowMs += 500) busyness.read(8, 0, nowMs);
  assert.is(busyness.read(8, 0, 20_000).get("docs"), 1);
});

test.run();
