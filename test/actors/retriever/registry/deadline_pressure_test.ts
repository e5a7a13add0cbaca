import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DeadlinePressure } from "../../../../actors/retriever/registry/deadline_pressure.ts";
import { manualClock } from "../../../support/manual_clock.ts";
import { withRegistry } from "./registry_rig.ts";

const test = suite("deadline pressure");
const LIMITS = { maxMissRatio: 0.1, minCalls: 10, holdMs: 1_000 };

function startPressure(flags = { shedding: true }) {
  const clock = manualClock();
  const pressure = new DeadlinePressure(clock, LIMITS, flags);
  /** Twenty queries within a second, of which so many are late. */
  const second = async (late: number) => {
    for (let query = 0; query < 20; query++) {
      await clock.advance(50);
      if (query < late) pressure.noteMiss(300);
      else pressure.noteAnswer(20);
    }
    return [pressure.sheds, pressure.status.admitted];
  };
  return { clock, pressure, second };
}

test("Optional work is shed first, then half of the queries, then half of what is left; and back a step at a time", async () => {
  const { second } = startPressure();
  assert.equal(await second(1), ["nothing", 1], "one of twenty is no reason");
  assert.equal(await second(20), ["optional_work", 1]);
  assert.equal(await second(20), ["load", 0.5]);
  assert.equal(await second(5), ["load", 0.25]);
  assert.equal(await second(1), ["load", 0.25], "between the two bounds it stays as it is");
  assert.equal(await second(0), ["load", 0.5]);
  assert.equal(await second(0), ["optional_work", 1]);
  assert.equal(await second(0), ["nothing", 1]);
});

test("While shedding is switched off nothing is shed, whatever was missed", async () => {
  const flags = { shedding: true };
  const { pressure, second } = startPressure(flags);
  for (let seconds = 0; seconds < 5; seconds++) await second(20);
  assert.is(pressure.refusal("docs", 0.9)?.code, "overloaded");
  flags.shedding = false;
  assert.is(pressure.refusal("docs", 0.9), null);
  assert.is(pressure.sheds, "nothing");
  flags.shedding = true;
  assert.is(pressure.sheds, "load");
});

test("A part of the queries is always taken, so that a recovery is seen", async () => {
  const { pressure, second } = startPressure();
  for (let seconds = 0; seconds < 30; seconds++) await second(20);
  assert.is(pressure.status.admitted, 1 / 16);
  assert.is(pressure.refusal("docs", 0.05), null);
  const refusal = pressure.refusal("docs", 0.07);
  assert.equal([refusal?.code, refusal?.retryAfterMs], ["overloaded", 1_000]);
});

test("Callers who give less time than answers take, or next to none, prove nothing", async () => {
  const { clock, pressure } = startPressure();
  for (let query = 0; query < 100; query++) pressure.noteAnswer(400);
  for (let query = 0; query < 100; query++) {
    await clock.advance(50);
    pressure.noteMiss(query % 2 === 0 ? 300 : 1);
  }
  pressure.noteAnswer(400);
  assert.is(pressure.sheds, "nothing");
});

test("A few queries make nothing worse, and after a silence nothing is known", async () => {
  const { clock, pressure, second } = startPressure();
  for (let query = 0; query < 9; query++) {
    await clock.advance(1_000);
    pressure.noteMiss(300);
  }
  assert.is(pressure.sheds, "nothing");
  await second(20);
  await second(20);
  assert.is(pressure.sheds, "load");
  await clock.advance(10_001);
  assert.is(pressure.refusal("docs", 0.99), null);
  assert.is(pressure.sheds, "nothing");
});

test("A collection that keeps missing its deadlines sheds optional work, then load, and takes all again when it keeps them", async () => {
  const shedding = { maxMissRatio: 0.1, minCalls: 5, holdMs: 500 };
  await withRegistry({ shedding }, async ({ clock, store, search, registry, retrievers, metrics, put }) => {
    put("other");
    let asked = 0;
    const ask = async (collection = "docs") => {
      const answer = search({ collection, query: `cat ${asked++}` }, { timeoutMs: 200 }).then(
        ({ rest }) => rest.degradations.map(({ stage, reason }) => `${stage} ${reason}`).join() || "whole",
        ({ code }: { code: string }) => code,
      );
      await clock.advance(200);
      return answer;
    };
    assert.is(await ask(), "whole");
    for (const call of ["searchVector", "searchText"] as const) store.set(call, { kind: "hang" }, "docs");
    const outcomes = new Set<string>();
    for (let query = 0; query < 60; query++) outcomes.add(await ask());
    assert.ok(outcomes.has("overloaded"), [...outcomes].join());
    assert.equal(registry.status().shedding, { optional_work: 0, load: 1 });
    assert.ok((metrics.counts.get("load_shed") ?? 0) > 0);
    assert.is(await ask("other"), "whole", "another collection does not notice");
    for (const call of ["searchVector", "searchText"] as const) store.set(call, null, "docs");
    let steps = 0;
    while (registry.status().shedding.load > 0 && steps++ < 400) await ask();
    assert.equal(registry.status().shedding, { optional_work: 1, load: 0 });
    const details = retrievers().find(({ path }) => path.endsWith("docs.v1"))?.details as { deadlines: { sheds: string } };
    assert.is(details.deadlines.sheds, "optional_work");
    while (registry.status().shedding.optional_work > 0 && steps++ < 400) await ask();
    assert.is(await ask(), "whole");
  });
});

test.run();
