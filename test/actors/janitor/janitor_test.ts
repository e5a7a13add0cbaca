import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  createJanitor,
  type JanitorMessage,
  type JanitorService,
  type JanitorState,
  janitorService,
  type TaskReport,
} from "../../../actors/janitor/janitor.ts";
import type { JanitorTask } from "../../../actors/janitor/tasks.ts";
import { kennelError } from "../../../runtime/errors.ts";
import { seededRandom } from "../../../runtime/random.ts";
import { createLogger } from "../../../telemetry/logs.ts";
import type { ManualClock } from "../../support/manual_clock.ts";
import { startSupervisor, testLimits } from "../../support/supervision.ts";

const signal = new AbortController().signal;

async function start(
  tasks: readonly JanitorTask[],
): Promise<{ service: JanitorService; clock: ManualClock; details: () => unknown; stop(): Promise<void> }> {
  const { supervisor, clock } = startSupervisor();
  const logger = createLogger({ level: "silent", node: "test" });
  const janitor = createJanitor({ tasks, intervalMs: 1000, taskTimeoutMs: 500, clock, random: seededRandom(1), logger });
  const limits = testLimits({ slowCallMs: 60_000 });
  const actor = supervisor.spawn<JanitorState, JanitorMessage>({
    name: "janitor",
    kind: "janitor",
    limits,
    behavior: janitor.behavior,
  });
  await clock.flush();
  return {
    service: janitorService(actor, 60_000),
    clock,
    details: janitor.details,
    async stop() {
      const stopped = supervisor.stop({ reason: "test ended", limitMs: 1000 });
      await clock.advance(1000);
      await stopped;
    },
  };
}

function counting(name: string): JanitorTask & { runs: number } {
  const task = {
    name,
    runs: 0,
    run: async () => {
      task.runs += 1;
      return 2;
    },
  };
  return task;
}

test("A round comes within 0.75 to 1.25 of the interval after the one before, and never while paused", async () => {
  const task = counting("tidy");
  const { service, clock, stop } = await start([task]);
  await clock.advance(749);
  assert.is(task.runs, 0);
  await clock.advance(501);
  assert.is(task.runs, 1);
  await clock.advance(1250);
  assert.is(task.runs, 2);
  service.pause();
  await clock.advance(10_000);
  assert.is(task.runs, 2);
  service.resume();
  await clock.advance(1250);
  assert.is(task.runs, 3);
  await stop();
});

test("A task that fails or hangs is reported and holds up no other", async () => {
  const hang: JanitorTask = {
    name: "hang",
    run: (inner) => new Promise((_resolve, reject) => inner.addEventListener("abort", () => reject(inner.reason), { once: true })),
  };
  const fail: JanitorTask = { name: "fail", run: () => Promise.reject(kennelError("unavailable", { message: "away" })) };
  const last = counting("last");
  const { service, clock, details, stop } = await start([hang, fail, last]);
  const round = service.run(signal);
  await clock.advance(500);
  const reports = new Map((await round).map((report: TaskReport) => [report.name, report]));
  assert.is(last.runs, 1);
  assert.match(reports.get("hang")?.lastError ?? "", /internal/);
  assert.is(reports.get("hang")?.lastDurationMs, 500);
  assert.is(reports.get("fail")?.lastError, "unavailable: away");
  assert.is(reports.get("last")?.total, 2);
  assert.equal(details(), { paused: false, tasks: [...reports.values()] });
  await stop();
});

test("A round asked for while one runs begins after it", async () => {
  const held = Promise.withResolvers<number>();
  let runs = 0;
  const { service, clock, stop } = await start([{ name: "held", run: () => (runs++ === 0 ? held.promise : Promise.resolve(0)) }]);
  const [first, second] = [service.run(signal), service.run(signal)];
  await clock.flush();
  assert.is(runs, 1);
  held.resolve(5);
  assert.is((await first)[0]?.lastCount, 5);
  assert.is((await second)[0]?.runs, 2);
  await stop();
});

test.run();
