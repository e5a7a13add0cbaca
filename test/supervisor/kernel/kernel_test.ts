import { test } from "uvu";
import * as assert from "uvu/assert";
import { type KennelError, kennelError } from "../../../runtime/errors.ts";
import type { ActorContext, Asks, Behavior, Outcome, PendingAsk } from "../../../supervisor/kernel/behavior.ts";
import { actorBench, HOLD, OPEN } from "../../support/kernel_actor.ts";
import { gate, type Order, obedient, watch } from "../../support/supervision.ts";

const soon = { timeoutMs: 1_000 };
const count = { kind: "count" } as const;
const stop = { graceMs: 0, limitMs: 100, refusal: kennelError("unavailable") };

/** Writes down the messages it gets. */
function listener(heard: string[]): Behavior<null, string> {
  return {
    start: () => null,
    receive(state, message, context) {
      heard.push(message);
      context.pendingAsk?.reply(message);
      return state;
    },
  };
}

test("Control messages overtake work, each lane keeps its order", async () => {
  const { actor: make, clock } = actorBench();
  const heard: string[] = [];
  const actor = make(listener(heard));
  actor.tell("work 1");
  actor.tell("work 2");
  actor.tell("control 1", { lane: "control" });
  actor.tell("control 2", { lane: "control" });
  await clock.flush();
  assert.equal(heard, ["control 1", "control 2", "work 1", "work 2"]);
});

test("Full lane refuses at once with a time to come back, the other lane still takes", async () => {
  const { actor: make, clock } = actorBench();
  const actor = make(listener([]));
  actor.setGate(HOLD);
  for (let message = 0; message < 4; message++) assert.is(actor.tell("work"), true);
  assert.is(actor.tell("work"), false);
  const refused = await actor.ask("work", soon).catch((error: KennelError) => error);
  assert.is((refused as KennelError).code, "overloaded");
  assert.ok(((refused as KennelError).retryAfterMs ?? 0) >= 10);
  assert.is(actor.tell("control", { lane: "control" }), true);
  await clock.flush();
  assert.is(actor.measurements().depth, 4);
  assert.is(actor.measurements().counts.rejected, 2);
});

test("Asks that ended while they waited make room in a full lane", async () => {
  const { actor: make, clock } = actorBench();
  const actor = make(listener([]));
  actor.setGate(HOLD);
  const asks = [1, 2, 3, 4].map(() => watch(actor.ask("work", { timeoutMs: 10 })));
  assert.is(actor.tell("work"), false);
  await clock.advance(10);
  assert.is(asks[3]?.result, "deadline_exceeded");
  assert.is(actor.measurements().depth, 0);
  assert.is(actor.tell("work"), true);
});

test("Expired ask is dropped when it is taken, also when its timer has not fired yet", async () => {
  const { actor: make, clock } = actorBench();
  const heard: string[] = [];
  const actor = make(listener(heard));
  await clock.flush();
  const answer = watch(actor.ask("too late", { timeoutMs: 10 }));
  const inTime = watch(actor.ask("in time", { timeoutMs: 30 }));
  clock.stall(20);
  await clock.flush();
  assert.equal(heard, ["in time"]);
  assert.is(answer.result, "deadline_exceeded");
  assert.is(inTime.result, "in time");
});

test("Work waits while as much is in flight as may be, and control does not", async () => {
  const { actor: make, clock } = actorBench();
  const actor = make<number, Order>(obedient()());
  const held = gate();
  const running = [1, 2].map(() => watch(actor.ask({ kind: "work", until: held.opened } as Order, soon)));
  const waiting = watch(actor.ask(count as Order, soon));
  const control = watch(actor.ask(count as Order, { ...soon, lane: "control" }));
  await clock.flush();
  assert.is(waiting.result, null);
  assert.not.equal(control.result, null);
  assert.is(actor.measurements().inFlight, 2);
  held.open();
  await clock.flush();
  assert.not.equal(waiting.result, null);
  assert.not.equal(running[1]?.result, null);
  assert.is(actor.measurements().inFlight, 0);
});

test("Piped work holds its slot after its ask has expired, until it ends", async () => {
  const { actor: make, clock } = actorBench();
  const actor = make<number, Order>(obedient()(), { maxInFlight: 1 });
  const held = gate();
  const expired = watch(actor.ask({ kind: "work", until: held.opened } as Order, { timeoutMs: 10 }));
  const waiting = watch(actor.ask(count as Order, soon));
  await clock.advance(10);
  assert.is(expired.result, "deadline_exceeded");
  assert.is(actor.measurements().inFlight, 1);
  assert.is(waiting.result, null);
  held.open();
  await clock.flush();
  assert.not.equal(waiting.result, null);
});

test("Work piped without an ask waits for a slot, and comes back as overloaded when too much waits", async () => {
  const { actor: make, clock } = actorBench();
  const outcomes: string[] = [];
  let running = 0;
  let most = 0;
  const held = gate();
  const work = async () => {
    most = Math.max(most, ++running);
    await held.opened;
    running--;
  };
  const toText = (outcome: Outcome<void>) => (outcome.ok ? "done" : outcome.error.code);
  const actor = make<null, string>({
    start: () => null,
    receive(state, message, context) {
      if (message !== "go") outcomes.push(message);
      else for (let piece = 0; piece < 6; piece++) context.pipe(work, toText);
      return state;
    },
  });
  actor.tell("go");
  await clock.flush();
  assert.equal(outcomes, ["overloaded", "overloaded"]);
  held.open();
  await clock.flush();
  assert.is(most, 2);
  assert.is(outcomes.filter((outcome) => outcome === "done").length, 4);
});

test("Ask is settled by its deadline, and the work started for it hears of it", async () => {
  const { actor: make, clock } = actorBench();
  const reasons: unknown[] = [];
  const actor = make<null, "go" | "ended">({
    start: () => null,
    receive(state, message, context) {
      const wait = (signal: AbortSignal) => clock.sleep(60_000, signal);
      if (message === "go")
        context.pipe(
          (signal) => wait(signal).catch((reason) => reasons.push(reason)),
          () => "ended",
          context.pendingAsk ?? undefined,
        );
      return state;
    },
  });
  const answer = watch(actor.ask("go", { timeoutMs: 50 }));
  await clock.advance(49);
  assert.is(answer.result, null);
  await clock.advance(1);
  assert.is(answer.result, "deadline_exceeded");
  assert.is((reasons[0] as KennelError).code, "deadline_exceeded");
});

test("Cancelled ask settles at once, its work is aborted and its listener removed", async () => {
  const { actor: make, clock } = actorBench();
  let pending: PendingAsk | null = null;
  const actor = make<null, string>({
    start: () => null,
    receive(state, _message, context) {
      pending = context.pendingAsk;
      return state;
    },
  });
  const controller = new AbortController();
  const answer = watch(actor.ask("go", { ...soon, signal: controller.signal }));
  await clock.flush();
  controller.abort();
  await clock.flush();
  const taken = pending as unknown as PendingAsk;
  assert.is(answer.result, "cancelled");
  assert.is(taken.signal.aborted, true, "a signal that is first read afterwards is aborted already");
  assert.is(taken.reply("late"), false);
  assert.is(watch(actor.ask("go", { ...soon, signal: AbortSignal.abort() })).result, null);
  await clock.flush();
  assert.equal(actor.measurements().counts, { ok: 0, failed: 0, rejected: 0, expired: 0, cancelled: 2, slow: 0 });
});

test("An asker's own deadline counts as the actor's, whichever of the two clocks is first", async () => {
  const { actor: make, clock, outcomes } = actorBench();
  const actor = make<null, string>({
    start: () => null,
    receive(state, _message, context) {
      void context.pendingAsk;
      return state;
    },
  });
  const controller = new AbortController();
  const answer = watch(actor.ask("go", { ...soon, signal: controller.signal }));
  await clock.flush();
  controller.abort(kennelError("deadline_exceeded"));
  await clock.flush();
  assert.is(answer.result, "deadline_exceeded");
  assert.equal(outcomes, ["deadline_exceeded"]);
  assert.is(actor.measurements().counts.expired, 1);
});

test("First of reply and fail counts", async () => {
  const { actor: make, clock } = actorBench();
  const returned: (boolean | undefined)[] = [];
  const actor = make<null, string>({
    start: () => null,
    receive(state, _message, context) {
      returned.push(context.pendingAsk?.reply(1), context.pendingAsk?.reply(2), context.pendingAsk?.fail(kennelError("internal")));
      return state;
    },
  });
  const answer = watch(actor.ask("go", soon));
  await clock.flush();
  assert.is(answer.result, 1);
  assert.equal(returned, [true, false, false]);
});

test("Crash answers its asker and those in flight, and what its work brings later counts for nothing", async () => {
  const { actor: make, clock, crashes } = actorBench();
  const actor = make<number, Order>(obedient()());
  const held = gate();
  const inFlight = watch(actor.ask({ kind: "work", until: held.opened } as Order, soon));
  const crashed = watch(actor.ask({ kind: "crash" } as Order, soon));
  const queued = watch(actor.ask(count as Order, soon));
  await clock.flush();
  assert.is(crashed.result, "internal");
  assert.is(inFlight.result, "unavailable");
  assert.is(queued.result, null);
  assert.equal(crashes, ["Error: ordered to crash"]);
  const halted = watch(actor.halt(stop));
  await clock.flush();
  assert.is(halted.result, null, "piped work of the crashed incarnation still runs");
  held.open();
  await clock.flush();
  assert.is(halted.result, "quiet");
  await actor.begin(obedient()());
  await clock.flush();
  assert.is(queued.result, 1, "a new incarnation starts with a new state");
  assert.is(actor.incarnation, 2);
});

test("Two incarnations of one actor never live at once", async () => {
  const { actor: make } = actorBench();
  const actor = make(listener([]));
  let thrown: unknown = null;
  try {
    void actor.begin(listener([]));
  } catch (error) {
    thrown = error;
  }
  assert.instance(thrown, TypeError);
});

test("Async handlers run one at a time", async () => {
  const { actor: make, clock } = actorBench();
  let running = 0;
  let most = 0;
  const actor = make<null, string>({
    start: () => null,
    async receive(state, _message, context) {
      most = Math.max(most, ++running);
      await clock.sleep(5, context.stopping);
      running--;
      return state;
    },
  });
  for (let message = 0; message < 4; message++) actor.tell("go");
  actor.tell("control", { lane: "control" });
  await clock.advance(25);
  assert.is(most, 1);
  assert.is(running, 0);
});

test("Failed start rejects with its cause and takes no message", async () => {
  const { kernel, clock } = actorBench();
  const limits = { mailboxCapacity: 4, controlCapacity: 2, maxInFlight: 2, slowCallMs: 1_000 };
  const actor = kernel.createActor<string>({ path: "node/b", limits, observer: { crashed() {}, settled() {}, stopFailed() {} } });
  actor.setGate(OPEN);
  const heard: string[] = [];
  const started = watch(actor.begin({ ...listener(heard), start: () => Promise.reject(kennelError("storage_full")) }));
  actor.tell("go");
  await clock.flush();
  assert.is(started.result, "storage_full");
  assert.equal(heard, []);
});

interface Relay extends Asks<string> {
  readonly to: readonly import("../../../supervisor/kernel/behavior.ts").ActorRef<Relay>[];
  readonly isPiped: boolean;
}

/** Asks the first actor of the list on behalf of its asker, with the rest of the list. */
function relay(): Behavior<null, Relay | null> {
  return {
    start: () => null,
    receive(state, message, context: ActorContext<Relay | null>) {
      const ask = context.pendingAsk;
      if (message === null || ask === null) return state;
      const [next, ...rest] = message.to;
      if (next === undefined) {
        ask.reply("end");
        return state;
      }
      const pass = async () => {
        try {
          ask.reply(await next.ask<string>({ to: rest, isPiped: message.isPiped }, { timeoutMs: 100, asker: context }));
        } catch (error) {
          ask.fail(error as KennelError);
        }
      };
      if (!message.isPiped) return pass().then(() => state);
      context.pipe(pass, () => null, ask);
      return state;
    },
  };
}

for (const isPiped of [false, true]) {
  test(`Cycle of asks is refused at once when the handler ${isPiped ? "pipes" : "waits"}`, async () => {
    const { actor: make, clock } = actorBench();
    const a = make(relay(), {}, "node/a");
    const b = make(relay(), {}, "node/b");
    const c = make(relay(), {}, "node/c");
    const straight = watch(a.ask<string>({ to: [b, c], isPiped }, soon));
    await clock.flush();
    assert.is(straight.result, "end");
    const circle = watch(a.ask<string>({ to: [b, c, a], isPiped }, soon));
    const itself = watch(a.ask<string>({ to: [a], isPiped }, soon));
    await clock.flush();
    assert.is(circle.result, "internal");
    assert.is(itself.result, "internal");
    assert.is(clock.monotonicMs(), 0);
  });
}

test("Measurements tell depth, age, in flight and latencies", async () => {
  const { actor: make, clock } = actorBench();
  const actor = make<number, Order>(obedient()(), { maxInFlight: 1 });
  const held = gate();
  watch(actor.ask({ kind: "work", until: held.opened } as Order, { timeoutMs: 5_000 }));
  await clock.advance(100);
  watch(actor.ask(count as Order, soon));
  await clock.advance(40);
  const { depth, oldestMs, inFlight } = actor.measurements();
  assert.equal({ depth, oldestMs, inFlight }, { depth: 1, oldestMs: 40, inFlight: 1 });
  held.open();
  await clock.flush();
  assert.equal(actor.measurements().latencyMs, { p50: 40, p95: 140, p99: 140 });
  assert.is(actor.measurements().counts.ok, 2);
});

test("Ask without a finite time is a mistake of the caller", async () => {
  const { actor: make } = actorBench();
  const actor = make(listener([]));
  const thrown = await actor.ask("go", { timeoutMs: Number.POSITIVE_INFINITY }).catch((error: unknown) => error);
  assert.instance(thrown, RangeError);
});

test.run();
