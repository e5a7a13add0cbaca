import { suite } from "uvu";
import * as assert from "uvu/assert";
import { startJanitor, type UpkeepService } from "../../../actors/janitor/janitor.ts";
import type { UpkeepTask } from "../../../actors/janitor/upkeep_task.ts";
import { kennelError } from "../../../runtime/errors.ts";
import { seededRandom } from "../../../runtime/random.ts";
import { createLogger } from "../../../telemetry/logs.ts";
import type { ManualClock } from "../../support/manual_clock.ts";
import { startSupervisor, testLimits } from "../../support/supervision.ts";
import { rejectsWith } from "../document_store/document_store_contract.ts";

const test = suite("janitor");
const signal = new AbortController().signal;

interface Rig {
  readonly janitor: UpkeepService;
  readonly clock: ManualClock;
  readonly outcomes: string[];
  report(task: string): ReturnType<UpkeepService["list"]>[number];
  /** What the status tree shows of a task. */
  shown(task: string): Readonly<Record<string, unknown>> | undefined;
  stop(): Promise<void>;
}

async function start(...tasks: readonly UpkeepTask[]): Promise<Rig> {
  const { supervisor, clock } = startSupervisor();
  const outcomes: string[] = [];
  const janitor = startJanitor(tasks, {
    supervisor,
    limits: testLimits({ slowCallMs: 60_000, maxInFlight: 4 }),
    clock,
    random: seededRandom(1),
    logger: createLogger({ level: "silent", node: "test" }),
    onRun: (task, outcome) => outcomes.push(`${task} ${outcome}`),
  });
  await clock.flush();
  return {
    janitor,
    clock,
    outcomes,
    report: (name) => janitor.list().find(({ task }) => task === name) as ReturnType<UpkeepService["list"]>[number],
    shown: (name) => supervisor.status().children.find(({ path }) => path === `node/${name}`)?.details,
    async stop() {
      const stopped = supervisor.stop({ reason: "test ended", limitMs: 1_000 });
      await clock.advance(1_000);
      await stopped;
    },
  };
}

const DEFAULTS = { intervalMs: 1_000, timeoutMs: 500, takesTurns: false } as const;

function counting(name: string, changes: Partial<UpkeepTask> = {}): UpkeepTask & { runs: number; readonly asked: boolean[] } {
  const task = {
    ...DEFAULTS,
    name,
    runs: 0,
    asked: [] as boolean[],
    run: async (_signal: AbortSignal, isAsked: boolean) => {
      task.runs += 1;
      task.asked.push(isAsked);
      return 2;
    },
    ...changes,
  };
  return task;
}

test("A task comes within 0.75 to 1.25 of its interval after the time before, and never while it is paused", async () => {
  const [task, other] = [counting("tidy"), counting("other")];
  const { janitor, clock, report, stop } = await start(task, other);
  await clock.advance(749);
  assert.is(task.runs, 0);
  await clock.advance(501);
  assert.is(task.runs, 1);
  await clock.advance(1_250);
  assert.ok(task.runs >= 2);
  const paused = janitor.pause("tidy", signal);
  await clock.flush();
  assert.equal([(await paused).is_paused, (await paused).next_run_at], [true, null]);
  const [runs, others] = [task.runs, other.runs];
  await clock.advance(10_000);
  assert.is(task.runs, runs);
  assert.ok(other.runs > others, "the others go on");
  const resumed = janitor.resume("tidy", signal);
  await clock.flush();
  assert.ok((await resumed).next_run_at !== null);
  await clock.advance(1_250);
  assert.ok(task.runs > runs);
  assert.is(report("tidy").is_paused, false);
  await stop();
});

test("A task that fails or hangs is reported, counted and holds up no other, and tries again", async () => {
  let isMended = false;
  const hang = counting("hang", { run: () => new Promise(() => {}) });
  const fail = counting("fail", {
    run: () => (isMended ? Promise.resolve(3) : Promise.reject(kennelError("unavailable", { message: "away" }))),
  });
  const last = counting("last");
  const { clock, report, shown, outcomes, stop } = await start(hang, fail, last);
  await clock.advance(1_750);
  assert.ok(last.runs >= 1);
  assert.match(report("hang").last_error ?? "", "deadline_exceeded: It took longer than 500 ms");
  assert.is(report("hang").last_duration_ms, 500);
  assert.is(report("fail").last_error, "unavailable: away");
  assert.equal(shown("fail"), { ...report("fail") }, "the status tree shows it");
  assert.ok(outcomes.includes("hang failed") && outcomes.includes("last ok"));
  isMended = true;
  await clock.advance(1_250);
  assert.equal([report("fail").last_error, report("fail").last_count], [null, 3]);
  await stop();
});

test("A run asked for while one is under way begins after it, and is told from one that is due", async () => {
  const held = Promise.withResolvers<number>();
  const asked: boolean[] = [];
  const task = counting("held", {
    timeoutMs: 60_000,
    run: (_signal, isAsked) => {
      asked.push(isAsked);
      return asked.length === 1 ? held.promise : Promise.resolve(0);
    },
  });
  const { janitor, clock, report, stop } = await start(task);
  await clock.advance(1_250);
  const [first, second] = [janitor.run("held", signal), janitor.run("held", signal)];
  await clock.flush();
  assert.equal([asked, report("held").is_running], [[false], true]);
  held.resolve(5);
  await clock.flush();
  assert.is((await first).runs, 2);
  assert.is((await second).runs, 2, "those who asked meanwhile share one");
  assert.equal(asked, [false, true]);
  await stop();
});

test("A paused task runs when it is asked for, and stays paused", async () => {
  const task = counting("tidy");
  const { janitor, clock, stop } = await start(task);
  const paused = janitor.pause("tidy", signal);
  await clock.flush();
  await paused;
  const run = janitor.run("tidy", signal);
  await clock.flush();
  assert.equal([(await run).runs, (await run).is_paused, (await run).next_run_at], [1, true, null]);
  await stop();
});

test("Tasks that work on the stores run one after the other; the others do not wait for them", async () => {
  const held = Promise.withResolvers<number>();
  const first = counting("first", { takesTurns: true, timeoutMs: 60_000, run: () => held.promise });
  const second = counting("second", { takesTurns: true, timeoutMs: 60_000 });
  const free = counting("free");
  const { janitor, clock, stop } = await start(first, second, free);
  const runs = [janitor.run("first", signal), janitor.run("second", signal), janitor.run("free", signal)];
  await clock.flush();
  assert.equal([second.runs, free.runs], [0, 1]);
  held.resolve(1);
  await clock.flush();
  assert.is(second.runs, 1);
  await Promise.all(runs);
  await stop();
});

test("An unknown task is refused with those that there are; who goes away waits no longer", async () => {
  const { janitor, clock, stop } = await start(counting("tidy", { timeoutMs: 60_000, run: () => new Promise(() => {}) }));
  const error = await rejectsWith("not_found", janitor.run("nothing", signal));
  assert.match(error.message, "there are tidy");
  const gone = new AbortController();
  const run = janitor.run("tidy", gone.signal);
  await clock.flush();
  gone.abort();
  await rejectsWith("cancelled", run);
  await stop();
});

test.run();
