import { test } from "uvu";
import * as assert from "uvu/assert";
import { kennelError } from "../../runtime/errors.ts";
import { gate, type Order, obedient, startSupervisor, testLimits, watch } from "../support/supervision.ts";

const crash = { kind: "crash" } as const;
const count = { kind: "count" } as const;
const soon = { timeoutMs: 5_000 };

test("Supervisor suspends a child on its sixth crash within 30 s, and it comes back by itself", async () => {
  const { supervisor, clock } = startSupervisor();
  const child = supervisor.spawn({ name: "docs", kind: "retriever", limits: testLimits(), behavior: obedient() });
  await clock.flush();
  for (let crashes = 1; crashes <= 5; crashes++) {
    child.tell(crash);
    await clock.flush();
    assert.is(child.state.kind, "ready", `after crash ${crashes}`);
  }
  child.tell(crash);
  await clock.flush();
  assert.is(child.state.kind, "suspended");
  assert.is(child.breaker, "open");
  assert.is(child.status().incarnation, 6);
  assert.is(child.status().restarts.count, 6);
  await clock.advance(500);
  assert.is(child.state.kind, "ready");
  assert.is(child.status().incarnation, 7);
});

test("Supervisor forgets a crash that is older than the restart period", async () => {
  const { supervisor, clock } = startSupervisor();
  const child = supervisor.spawn({ name: "docs", kind: "retriever", limits: testLimits({ restartIntensity: 1 }), behavior: obedient() });
  await clock.flush();
  for (let crashes = 0; crashes < 4; crashes++) {
    child.tell(crash);
    await clock.advance(30_001);
    assert.is(child.state.kind, "ready");
  }
});

test("Suspended child refuses work at once and says when to come back", async () => {
  const { supervisor, clock } = startSupervisor();
  const limits = testLimits({ restartIntensity: 0 });
  const child = supervisor.spawn({ name: "docs", kind: "retriever", limits, behavior: obedient() });
  await clock.flush();
  child.tell(crash);
  await clock.flush();
  const error = await child.ask(count, soon).catch((thrown: unknown) => thrown);
  assert.is((error as { code: string }).code, "unavailable");
  const { retryAfterMs } = error as { retryAfterMs: number };
  assert.ok(retryAfterMs > 0 && retryAfterMs <= 500, `${retryAfterMs}`);
  assert.is(child.tell(count), false);
});

test("Work that waits survives a crash and is done by the next incarnation", async () => {
  const { supervisor, clock } = startSupervisor();
  const child = supervisor.spawn({ name: "docs", kind: "retriever", limits: testLimits(), behavior: obedient() });
  await clock.flush();
  child.tell(crash);
  const answer = watch(child.ask(count, soon));
  await clock.flush();
  assert.is(answer.result, 1);
});

test("Suspensions in a row double up to the cap, with jitter", async () => {
  const { supervisor, clock } = startSupervisor();
  const pauses: number[] = [];
  const child = supervisor.spawn({
    name: "store",
    kind: "vector_store",
    limits: testLimits(),
    behavior: obedient({ onStart: () => Promise.reject(kennelError("unavailable")) }),
  });
  for (let round = 0; round < 6; round++) {
    await clock.flush();
    assert.is(child.state.kind, "suspended");
    const pauseMs = (child.state as { untilMs: number }).untilMs - clock.wallMs();
    pauses.push(pauseMs);
    await clock.advance(Math.ceil(pauseMs));
  }
  for (const [round, fullMs] of [500, 1_000, 2_000, 4_000, 4_000, 4_000].entries()) {
    const pauseMs = pauses[round] ?? 0;
    assert.ok(pauseMs >= fullMs / 2 && pauseMs <= fullMs, `pause ${round} of ${pauseMs} ms`);
  }
  assert.is(new Set(pauses).size, 6);
});

test("Backoff starts over once the child has stood firm for a restart period", async () => {
  const { supervisor, clock } = startSupervisor();
  const limits = testLimits({ restartIntensity: 0 });
  const child = supervisor.spawn({ name: "docs", kind: "retriever", limits, behavior: obedient() });
  const pauseAfterCrash = async (): Promise<number> => {
    child.tell(crash);
    await clock.flush();
    const pauseMs = (child.state as { untilMs: number }).untilMs - clock.wallMs();
    await clock.advance(Math.ceil(pauseMs));
    return pauseMs;
  };
  await clock.flush();
  for (let round = 0; round < 4; round++) await pauseAfterCrash();
  const last = await pauseAfterCrash();
  assert.ok(last >= 2_000, `${last} ms: being ready for a moment is no recovery`);
  await clock.advance(30_000);
  const first = await pauseAfterCrash();
  assert.ok(first <= 500, `${first} ms`);
});

test("Child that is stopped while a suspension waits for its handler does not come back", async () => {
  const { supervisor, clock } = startSupervisor();
  const held = gate();
  const limits = testLimits({ startTimeoutMs: 100, stopLimitMs: 5_000 });
  const child = supervisor.spawn({
    name: "store",
    kind: "vector_store",
    limits,
    behavior: obedient({ onStart: () => held.opened }),
  });
  await clock.advance(700); // suspended, and its pause is over
  void child.stop("deleted");
  held.open();
  await clock.advance(60_000);
  assert.is(child.state.kind, "stopped");
  assert.is(child.status().incarnation, 1);
});

test("Start failures never spend the restart budget", async () => {
  const { supervisor, clock } = startSupervisor();
  let failures = 20;
  const onStart = () => (failures-- > 0 ? Promise.reject(kennelError("unavailable")) : undefined);
  const child = supervisor.spawn({ name: "store", kind: "vector_store", limits: testLimits(), behavior: obedient({ onStart }) });
  const ready = watch(child.whenReady(new AbortController().signal).then(() => "ready"));
  await clock.advance(200_000);
  assert.is(ready.result, "ready");
  assert.is(child.status().restarts.count, 0);
});

test("Start that takes too long suspends, and what it opened late is stopped", async () => {
  const { supervisor, clock } = startSupervisor();
  const opening = gate();
  let starts = 0;
  let stops = 0;
  const hooks = {
    onStart: () => (starts++ === 0 ? opening.opened : undefined),
    onStop: () => {
      stops++;
    },
  };
  const child = supervisor.spawn({ name: "store", kind: "vector_store", limits: testLimits(), behavior: obedient(hooks) });
  await clock.advance(1_000);
  assert.is(child.state.kind, "suspended");
  await clock.advance(1_000); // stop limit and backoff
  assert.is(child.state.kind, "ready");
  assert.is(stops, 0);
  opening.open();
  await clock.flush();
  assert.is(stops, 1);
  assert.is(child.status().incarnation, 2);
});

test("Failure rate over the window suspends; failures that are the caller's do not", async () => {
  const { supervisor, clock } = startSupervisor();
  const child = supervisor.spawn({ name: "docs", kind: "retriever", limits: testLimits(), behavior: obedient() });
  await clock.flush();
  for (let call = 0; call < 20; call++) watch(child.ask({ kind: "fail", error: kennelError("invalid_request") } as Order, soon));
  await clock.flush();
  for (let call = 0; call < 10; call++) {
    watch(child.ask({ kind: "fail", error: kennelError("not_found") } as Order, soon));
    await clock.flush();
  }
  assert.is(child.state.kind, "ready");
  await clock.advance(11_000);
  for (let call = 0; call < 4; call++) watch(child.ask({ kind: "fail", error: kennelError("unavailable") } as Order, soon));
  await clock.flush();
  assert.is(child.state.kind, "suspended");
});

test("Failures that have left the window count no longer", async () => {
  const { supervisor, clock } = startSupervisor();
  const child = supervisor.spawn({ name: "docs", kind: "retriever", limits: testLimits(), behavior: obedient() });
  await clock.flush();
  for (let call = 0; call < 6; call++) {
    watch(child.ask({ kind: "fail", error: kennelError("internal") } as Order, soon));
    await clock.advance(3_400);
  }
  assert.is(child.state.kind, "ready");
});

test("Slow calls suspend although they succeed", async () => {
  const { supervisor, clock } = startSupervisor();
  const child = supervisor.spawn({ name: "docs", kind: "retriever", limits: testLimits({ maxInFlight: 4 }), behavior: obedient() });
  await clock.flush();
  const held = gate();
  const asks = [1, 2, 3, 4].map(() => watch(child.ask({ kind: "work", until: held.opened } as Order, soon)));
  await clock.advance(1_001);
  held.open();
  await clock.flush();
  assert.type(asks[0]?.result, "number");
  assert.is(child.state.kind, "suspended");
  assert.match(child.status().last_error ?? "", "4 of 4 calls were slow");
});

test("A child whose piped work waits for services is judged by its handler alone", async () => {
  const { supervisor, clock } = startSupervisor();
  const limits = testLimits({ maxInFlight: 4, mailboxCapacity: 20 });
  const child = supervisor.spawn({ name: "docs", kind: "retriever", limits, waitsForServices: true, behavior: obedient() });
  await clock.flush();
  const held = gate();
  const slow = [1, 2, 3, 4].map(() => watch(child.ask({ kind: "work", until: held.opened } as Order, soon)));
  await clock.advance(1_001);
  held.open();
  await clock.flush();
  assert.type(slow[3]?.result, "number");
  assert.is(child.state.kind, "ready", "slow");
  const never = new Promise(() => {});
  // Four of them are at work, and leave no place for the others.
  const late = Array.from({ length: 12 }, () => watch(child.ask({ kind: "work", until: never } as Order, { timeoutMs: 2_000 })));
  await clock.advance(2_000);
  assert.ok(late.every(({ result }) => result === "deadline_exceeded"));
  assert.equal([child.state.kind, child.breaker], ["ready", "closed"], "late");

  const stuck = supervisor.spawn({ name: "stuck", kind: "retriever", limits, waitsForServices: true, behavior: obedient() });
  await clock.flush();
  for (let call = 0; call < 6; call++) watch(stuck.ask({ kind: "hold", until: never } as Order, { timeoutMs: 2_000 }));
  await clock.advance(2_000);
  assert.is(stuck.state.kind, "suspended", "its handler never ends");
});

test("Deadlines shorter than answers take do not open the breaker for others", async () => {
  const { supervisor, clock } = startSupervisor();
  const child = supervisor.spawn({ name: "docs", kind: "retriever", limits: testLimits({ maxInFlight: 50 }), behavior: obedient() });
  await clock.flush();
  for (let call = 0; call < 4; call++) {
    const held = gate();
    watch(child.ask({ kind: "work", until: held.opened } as Order, soon));
    await clock.advance(200);
    held.open();
    await clock.flush();
  }
  const never = new Promise(() => {});
  const hasty = [1, 2, 3, 4, 5, 6].map(() => watch(child.ask({ kind: "work", until: never } as Order, { timeoutMs: 10 })));
  await clock.advance(10);
  assert.is(hasty[5]?.result, "deadline_exceeded");
  assert.is(child.state.kind, "ready");
});

test("Half-open child passes its probe before it takes work", async () => {
  const { supervisor, clock } = startSupervisor();
  let isHealthy = false;
  const child = supervisor.spawn({
    name: "store",
    kind: "vector_store",
    limits: testLimits({ restartIntensity: 0 }),
    behavior: obedient(),
    probe: () => (isHealthy ? Promise.resolve() : new Promise(() => {})),
  });
  await clock.flush();
  assert.is(child.state.kind, "starting");
  await clock.advance(200); // the probe's time is up
  assert.is(child.state.kind, "suspended");
  await clock.advance(Math.ceil((child.state as { untilMs: number }).untilMs - clock.wallMs()));
  assert.is(child.state.kind, "probing");
  assert.is(child.breaker, "half_open");
  assert.is(child.tell(count), false);
  isHealthy = true;
  await clock.advance(200);
  await clock.advance(1_000);
  assert.is(child.state.kind, "ready");
  assert.is(child.breaker, "closed");
  const events = supervisor.events.recent().map((entry) => entry.event);
  assert.equal(events, ["started", "suspended", "restarted", "probing", "suspended", "restarted", "probing", "ready"]);
});

test("A busy child whose calls begin to fail one after the other is suspended before its good calls have left the window", async () => {
  const { supervisor, clock } = startSupervisor();
  const child = supervisor.spawn({ name: "busy", kind: "retriever", limits: testLimits(), behavior: obedient() });
  await clock.flush();
  for (let call = 0; call < 50; call++) await child.ask({ kind: "count" }, { timeoutMs: 100 });
  const fail = async () => void (await child.ask({ kind: "fail", error: kennelError("unavailable") }, { timeoutMs: 100 }).catch(() => {}));
  for (let call = 0; call < 3; call++) await fail();
  await child.ask({ kind: "count" }, { timeoutMs: 100 });
  for (let call = 0; call < 3; call++) await fail();
  assert.is(child.state.kind, "ready", "a good call ends the row");
  await fail();
  assert.is(child.state.kind, "suspended");
  assert.match(child.state.kind === "suspended" ? child.state.cause : "", /4 calls failed in a row/);
});

test("Ready child is suspended after its probes failed three times in a row", async () => {
  const { supervisor, clock } = startSupervisor();
  let isHealthy = true;
  const child = supervisor.spawn({
    name: "store",
    kind: "vector_store",
    limits: testLimits({ probeIntervalMs: 1_000 }),
    behavior: obedient(),
    probe: () => (isHealthy ? Promise.resolve() : Promise.reject(kennelError("unavailable"))),
  });
  await clock.flush();
  assert.is(child.status().next_probe_at, new Date(clock.wallMs() + 1_000).toISOString());
  isHealthy = false;
  await clock.advance(2_000);
  assert.is(child.state.kind, "ready");
  isHealthy = true;
  await clock.advance(1_000);
  isHealthy = false;
  await clock.advance(2_000);
  assert.is(child.state.kind, "ready", "a passed probe ends the row");
  await clock.advance(1_000);
  assert.is(child.state.kind, "suspended");
});

test("Probe asks the running incarnation on its control lane", async () => {
  const { supervisor, clock } = startSupervisor();
  const counts: number[] = [];
  supervisor.spawn<number, Order>({
    name: "docs",
    kind: "retriever",
    limits: testLimits(),
    behavior: obedient(),
    probe: async (actor, signal) => void counts.push(await actor.ask<number>(count, { timeoutMs: 100, signal })),
  });
  await clock.flush();
  assert.equal(counts, [1]);
});

test("Handler that outlives its stop limit is let go, escalated, and never answers", async () => {
  const escalated: string[] = [];
  const { supervisor, clock } = startSupervisor({ onEscalation: (path) => escalated.push(path) });
  const child = supervisor.spawn({ name: "docs", kind: "retriever", limits: testLimits(), behavior: obedient() });
  await clock.flush();
  const held = gate();
  const answer = watch(child.ask({ kind: "hold", until: held.opened } as Order, soon));
  await clock.flush();
  const stopped = watch(child.stop("passivated").then(() => "stopped"));
  await clock.advance(300);
  assert.is(answer.result, "unavailable", "the grace is over");
  assert.is(stopped.result, null);
  await clock.advance(600);
  assert.is(stopped.result, "stopped");
  assert.equal(escalated, ["node/docs"]);
  held.open();
  await clock.flush();
  assert.is(answer.result, "unavailable");
});

test("Child with three handlers that were let go stays suspended until one of them ends", async () => {
  const { supervisor, clock } = startSupervisor();
  const held = gate();
  const hang = { onStart: () => held.opened };
  const limits = testLimits({ startTimeoutMs: 100, maxBackoffMs: 500 });
  const child = supervisor.spawn({ name: "store", kind: "vector_store", limits, behavior: obedient(hang) });
  await clock.advance(60_000);
  assert.is(child.status().incarnation, 3);
  assert.is(child.state.kind, "suspended");
  held.open();
  await clock.advance(1_000);
  assert.is(child.state.kind, "ready");
});

test("Stopping finishes what waits and what is in flight within the grace, and takes nothing new", async () => {
  const { supervisor, clock } = startSupervisor();
  let stops = 0;
  const behavior = obedient({
    onStop: () => {
      stops++;
    },
  });
  const child = supervisor.spawn({ name: "docs", kind: "retriever", limits: testLimits({ maxInFlight: 1 }), behavior });
  await clock.flush();
  const held = gate();
  const running = watch(child.ask({ kind: "work", until: held.opened } as Order, soon));
  const waiting = watch(child.ask(count, soon));
  await clock.flush();
  const stopped = watch(child.stop("passivated").then(() => "stopped"));
  const late = watch(child.ask(count, soon));
  await clock.flush();
  assert.is(child.state.kind, "draining");
  assert.is(late.result, "unavailable");
  held.open();
  await clock.flush();
  assert.is(running.result, 2);
  assert.is(waiting.result, 3);
  assert.is(stopped.result, "stopped");
  assert.is(stops, 1);
  assert.is(supervisor.status().children.length, 0);
});

test("Supervisor stops subtrees and children in reverse order of spawning, within its limit", async () => {
  const { supervisor, clock } = startSupervisor();
  const stopped: string[] = [];
  const behavior = (name: string) =>
    obedient({
      onStop: () => {
        stopped.push(name);
      },
    });
  const limits = testLimits();
  supervisor.spawn({ name: "store", kind: "vector_store", limits, behavior: behavior("store") });
  const retrievers = supervisor.spawnSupervisor("retrievers", { shutdown: "together" });
  retrievers.spawn({ name: "a", kind: "retriever", limits, behavior: behavior("a") });
  retrievers.spawn({ name: "b", kind: "retriever", limits, behavior: behavior("b") });
  const hanging = supervisor.spawn({
    name: "last",
    kind: "ingest",
    limits: testLimits({ stopLimitMs: 60_000 }),
    behavior: behavior("last"),
  });
  await clock.flush();
  assert.is(supervisor.status().children[1]?.children[0]?.path, "node/retrievers/a");
  const answer = watch(hanging.ask({ kind: "hold", until: new Promise(() => {}) } as Order, soon));
  await clock.flush();
  const done = watch(supervisor.stop({ reason: "SIGTERM", limitMs: 2_000 }).then(() => "done"));
  const refused = watch(hanging.ask(count, soon));
  await clock.advance(1_999);
  assert.is(done.result, null);
  assert.is(refused.result, "draining");
  assert.is(answer.result, "draining");
  await clock.advance(1);
  assert.is(done.result, "done");
  assert.equal(new Set(stopped.slice(0, 2)), new Set(["b", "a"]));
  assert.is(stopped[2], "store");
});

test("Names of children are checked, and free again once the child has stopped", async () => {
  const { supervisor, clock } = startSupervisor();
  const spec = { name: "docs:1", kind: "retriever", limits: testLimits(), behavior: obedient() };
  assert.throws(() => supervisor.spawn({ ...spec, name: "a/b" }), /Cannot name/);
  const child = supervisor.spawn(spec);
  assert.throws(() => supervisor.spawn(spec), /already has/);
  void child.stop("passivated");
  await clock.flush();
  assert.is(child.state.kind, "stopped");
  supervisor.spawn(spec);
});

test("Children that come and go leave nothing behind", async () => {
  const { supervisor, clock } = startSupervisor();
  for (let round = 0; round < 300; round++) {
    const child = supervisor.spawn({
      name: "docs",
      kind: "retriever",
      limits: testLimits({ probeIntervalMs: 1_000 }),
      behavior: obedient(),
    });
    const wasAnswered = watch(child.ask(count, soon));
    await child.whenReady(new AbortController().signal);
    await child.stop("passivated");
    assert.is(wasAnswered.result, 1);
  }
  assert.is(supervisor.status().children.length, 0);
  assert.is(supervisor.events.recent().length, 50);
  await clock.advance(60_000);
  assert.is(clock.pendingTimers, 0);
});

test("Status tree says what a child reports, and survives a child that cannot", async () => {
  const { supervisor, clock } = startSupervisor();
  const spec = { kind: "retriever", limits: testLimits(), behavior: obedient() };
  supervisor.spawn({ ...spec, name: "good", details: () => ({ index_version: 4 }) });
  supervisor.spawn({
    ...spec,
    name: "bad",
    details: () => {
      throw new Error("/secret/path");
    },
  });
  await clock.flush();
  const [good, bad] = supervisor.status().children;
  assert.equal(good?.details, { index_version: 4 });
  assert.not.match(JSON.stringify(bad), "secret");
});

test("Listener hears every event until it leaves, and its failure harms nobody", async () => {
  const { supervisor, clock } = startSupervisor();
  const heard: string[] = [];
  supervisor.events.subscribe(() => {
    throw new Error("listener");
  });
  const leave = supervisor.events.subscribe((entry) => heard.push(`${entry.path} ${entry.event}`));
  const child = supervisor.spawn({ name: "docs", kind: "retriever", limits: testLimits(), behavior: obedient() });
  await clock.flush();
  leave();
  child.tell(crash);
  await clock.flush();
  assert.equal(heard, ["node/docs started", "node/docs ready"]);
});

test("Waiting for a child that is stopped ends, and so does waiting with a signal that aborts", async () => {
  const { supervisor, clock } = startSupervisor();
  const hooks = { onStart: () => Promise.reject(kennelError("unavailable")) };
  const child = supervisor.spawn({ name: "docs", kind: "retriever", limits: testLimits(), behavior: obedient(hooks) });
  const controller = new AbortController();
  const impatient = watch(child.whenReady(controller.signal));
  const patient = watch(child.whenReady(new AbortController().signal));
  controller.abort(kennelError("cancelled"));
  void child.stop("deleted");
  await clock.flush();
  assert.is(impatient.result, "cancelled");
  assert.is(patient.result, "unavailable");
});

test.run();
