import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Schedule } from "../../../actors/ingest/schedule.ts";

test("Jobs take turns, so that a long one holds up no other", () => {
  const schedule = new Schedule<string>(1);
  for (const id of ["long", "short"]) schedule.addJob(id, id);
  const turns: string[] = [];
  for (let turn = 0; turn < 4; turn++) {
    const step = schedule.next(0);
    if (step.kind !== "round") throw new Error(step.kind);
    turns.push(step.job.id);
    schedule.end(step.job.collection);
  }
  assert.equal(turns, ["long", "short", "long", "short"]);
});

test("A job that must wait says how long, and comes when that has passed", () => {
  const schedule = new Schedule<string>(2);
  schedule.addJob("a", "docs");
  const job = schedule.job("a");
  if (job === null) throw new Error("no job");
  job.notBeforeMs = 500;
  assert.equal(schedule.next(200), { kind: "wait", waitMs: 300 });
  assert.is(schedule.next(500).kind, "round");
  assert.equal(schedule.next(500), { kind: "wait", waitMs: null });
});

test("A cancelled job gets no further round", () => {
  const schedule = new Schedule<string>(1);
  schedule.addJob("a", "docs");
  const job = schedule.job("a");
  if (job !== null) job.isCancelled = true;
  assert.equal(schedule.next(0), { kind: "wait", waitMs: null });
});

type Order = { readonly do: "job" | "exclusive" | "next" | "end"; readonly collection: string };

test("No two steps run on one collection, no more than allowed run at all, and every removal gets its turn", () => {
  const orders = fc.array(
    fc.record({
      do: fc.constantFrom("job", "exclusive", "next", "end"),
      collection: fc.constantFrom("a", "b", "c"),
    }) as fc.Arbitrary<Order>,
    { maxLength: 60 },
  );
  fc.assert(
    fc.property(orders, fc.integer({ min: 1, max: 3 }), (list, maxParallel) => {
      const schedule = new Schedule<number>(maxParallel);
      const running = new Set<string>();
      const asked: number[] = [];
      const done: number[] = [];
      const take = () => {
        const step = schedule.next(0);
        if (step.kind === "wait") return false;
        const collection = step.kind === "round" ? step.job.collection : step.exclusive.collection;
        assert.not(running.has(collection));
        running.add(collection);
        if (step.kind === "exclusive") done.push(step.exclusive.work);
        assert.ok(running.size <= maxParallel);
        return true;
      };
      for (const [place, order] of list.entries()) {
        if (order.do === "job") schedule.addJob(`job ${place}`, order.collection);
        else if (order.do === "exclusive") {
          asked.push(place);
          schedule.addExclusive({ collection: order.collection, work: place });
        } else if (order.do === "next") take();
        else if (running.delete(order.collection)) schedule.end(order.collection);
      }
      for (let turn = 0; turn < list.length + 3; turn++) {
        for (const collection of running) schedule.end(collection);
        running.clear();
        take();
      }
      assert.equal(
        done.sort((a, b) => a - b),
        asked,
      );
    }),
  );
});

test("All jobs that are removed say whether their round runs", () => {
  const schedule = new Schedule<string>(2);
  for (const [id, collection] of [["one", "docs"], ["two", "docs"], ["three", "pets"]] as const) schedule.addJob(id, collection); // biome-ignore format: a table
  schedule.next(0);
  assert.equal(
    [...schedule.removeJobs()].sort((left, right) => (left.id < right.id ? -1 : 1)),
    [
      { id: "one", isRunning: true },
      { id: "three", isRunning: false },
      { id: "two", isRunning: false },
    ],
  );
  assert.is(schedule.openJobs, 0);
  schedule.addJob("four", "docs");
  assert.is(schedule.next(0).kind, "wait", "the round that runs goes on to its end");
  schedule.end("docs");
  assert.is(schedule.next(0).kind, "round");
});

test.run();
