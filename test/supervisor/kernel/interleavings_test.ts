import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { kennelError } from "../../../runtime/errors.ts";
import type { Actor } from "../../../supervisor/kernel/actor.ts";
import type { Asks, Behavior, PendingAsk } from "../../../supervisor/kernel/behavior.ts";
import type { Halted } from "../../../supervisor/kernel/incarnation.ts";
import { actorBench, HOLD, OPEN } from "../../support/kernel_actor.ts";
import type { ManualClock } from "../../support/manual_clock.ts";

/** What a message makes the actor do. `Ms` is how long it takes. */
type Deed = "reply" | "reply_twice" | "ignore" | "pipe" | "pipe_deaf" | "hold" | "crash" | "crash_late";
interface Job extends Asks<string> {
  readonly kind: "job";
  readonly id: number;
  readonly deed: Deed;
  readonly ms: number;
  readonly isControl: boolean;
}
type Message = Job | { readonly kind: "piped"; readonly job: Job; readonly ask: PendingAsk | null };

type Command =
  | { readonly kind: "ask" | "tell"; readonly deed: Deed; readonly ms: number; readonly timeoutMs: number; readonly isControl: boolean }
  | { readonly kind: "cancel"; readonly which: number }
  | { readonly kind: "advance"; readonly ms: number }
  | { readonly kind: "restart"; readonly graceMs: number }
  | { readonly kind: "hold" | "open" | "flush" };

interface Trial {
  readonly clock: ManualClock;
  actor: Actor<Message>;
  /** Incarnations whose end has begun for good: an answer from one of them is a lie. */
  readonly ended: Set<number>;
  readonly answersById: Map<number, number>;
  handlers: number;
  readonly failures: string[];
}

const LIMITS = { mailboxCapacity: 5, controlCapacity: 3, maxInFlight: 3, slowCallMs: 1_000 };
/** Longer than any deed, so that a restart always waits for quiet. */
const STOP_LIMIT_MS = 1_000;

function behavior(trial: Trial): Behavior<null, Message> {
  const reply = (job: Job, ask: PendingAsk | null, incarnation: number) => {
    if (ask?.reply(`${job.id}`) !== true) return;
    trial.answersById.set(job.id, (trial.answersById.get(job.id) ?? 0) + 1);
    if (trial.ended.has(incarnation)) trial.failures.push(`dead incarnation ${incarnation} answered ${job.id}`);
  };
  return {
    start: () => null,
    async receive(state, message, context) {
      if (++trial.handlers > 1) trial.failures.push("two handlers at once");
      if (trial.ended.has(context.incarnation)) trial.failures.push("a dead incarnation took a message");
      const { inFlight } = trial.actor.measurements();
      if (inFlight > LIMITS.maxInFlight + LIMITS.controlCapacity) trial.failures.push("too much in flight");
      const before = inFlight - (context.pendingAsk === null ? 0 : 1);
      if (message.kind === "job" && !message.isControl && before >= LIMITS.maxInFlight) trial.failures.push("work taken beyond the limit");
      try {
        if (message.kind === "piped") reply(message.job, message.ask, context.incarnation);
        else await act(message);
      } finally {
        trial.handlers--;
      }
      return state;

      function outcomeOf(job: Job, ask: PendingAsk | null): Message {
        if (trial.ended.has(context.incarnation)) trial.failures.push("work of a dead incarnation came back");
        return { kind: "piped", job, ask };
      }

      async function act(job: Job): Promise<void> {
        const ask = context.pendingAsk;
        const never = new AbortController().signal;
        switch (job.deed) {
          case "reply_twice":
            reply(job, ask, context.incarnation);
            return reply(job, ask, context.incarnation);
          case "reply":
            return reply(job, ask, context.incarnation);
          case "pipe":
          case "pipe_deaf": {
            const work = (signal: AbortSignal) => trial.clock.sleep(job.ms, job.deed === "pipe" ? signal : never);
            return context.pipe(work, () => outcomeOf(job, ask), ask ?? undefined);
          }
          case "hold":
            await trial.clock.sleep(job.ms, never);
            return reply(job, ask, context.incarnation);
          case "crash":
            throw new Error("crash");
          case "crash_late":
            await trial.clock.sleep(job.ms, never);
            throw new Error("late crash");
          case "ignore":
        }
      }
    },
  };
}

const deed = fc.constantFrom<Deed>("reply", "reply", "reply_twice", "ignore", "pipe", "pipe", "pipe_deaf", "hold", "crash", "crash_late");
const message = fc.record({
  kind: fc.constantFrom("ask" as const, "ask" as const, "tell" as const),
  deed,
  ms: fc.integer({ min: 0, max: 60 }),
  timeoutMs: fc.integer({ min: 1, max: 80 }),
  isControl: fc.boolean(),
});
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 8, arbitrary: message },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("cancel" as const), which: fc.nat(50) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("advance" as const), ms: fc.integer({ min: 1, max: 40 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart" as const), graceMs: fc.constantFrom(0, 20) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("hold" as const, "open" as const, "flush" as const) }) },
);

async function play(commands: readonly Command[]): Promise<void> {
  const bench = actorBench();
  const trial = {
    clock: bench.clock,
    ended: new Set<number>(),
    answersById: new Map<number, number>(),
    handlers: 0,
    failures: [] as string[],
  } as unknown as Trial;
  trial.actor = bench.kernel.createActor<Message>({
    path: "node/a",
    limits: LIMITS,
    observer: {
      crashed: () => {
        trial.ended.add(trial.actor.incarnation);
        void restart(0);
      },
      settled() {},
      stopFailed() {},
    },
  });
  let halting: Promise<Halted> | null = null;
  const restart = (graceMs: number): Promise<void> | null => {
    if (halting !== null) return null; // one halt at a time, as a supervisor does
    const number = trial.actor.incarnation;
    halting = trial.actor.halt({ graceMs, limitMs: STOP_LIMIT_MS, refusal: kennelError("unavailable") });
    if (graceMs === 0) trial.ended.add(number);
    return halting.then((halted) => {
      if (halted !== "quiet") trial.failures.push("not quiet");
      trial.ended.add(number);
      halting = null;
      void trial.actor.begin(behavior(trial));
    });
  };
  void trial.actor.begin(behavior(trial));
  trial.actor.setGate(OPEN);

  const settled: (string | null)[] = [];
  const cancels: AbortController[] = [];
  let asks = 0;
  for (const next of commands) {
    switch (next.kind) {
      case "ask": {
        const id = asks++;
        const controller = new AbortController();
        cancels.push(controller);
        settled[id] = null;
        const note = (what: string) => {
          if (settled[id] !== null) trial.failures.push(`ask ${id} settled twice`);
          settled[id] = what;
        };
        const job: Job = { kind: "job", id, deed: next.deed, ms: next.ms, isControl: next.isControl };
        const lane = next.isControl ? "control" : "work";
        trial.actor.ask<string>(job, { timeoutMs: next.timeoutMs, lane, signal: controller.signal }).then(
          (answer) => note(answer === `${id}` ? "answered" : `got the answer of ${answer}`),
          (error: { code?: string }) => note(error.code ?? String(error)),
        );
        break;
      }
      case "tell":
        trial.actor.tell(
          { kind: "job", id: -1, deed: next.deed, ms: next.ms, isControl: next.isControl },
          { lane: next.isControl ? "control" : "work" },
        );
        break;
      case "cancel":
        cancels[next.which % Math.max(1, cancels.length)]?.abort();
        break;
      case "advance":
        await bench.clock.advance(next.ms);
        break;
      case "restart":
        void restart(next.graceMs);
        break;
      case "hold":
        trial.actor.setGate(HOLD);
        break;
      case "open":
        trial.actor.setGate(OPEN);
        break;
      case "flush":
        await bench.clock.flush();
    }
    const { depth } = trial.actor.measurements();
    if (depth > LIMITS.mailboxCapacity + LIMITS.controlCapacity) trial.failures.push(`${depth} messages wait`);
  }
  trial.actor.setGate(OPEN);
  await bench.clock.advance(200);
  check(trial, settled, asks);
}

function check(trial: Trial, settled: readonly (string | null)[], asks: number): void {
  const known = new Set(["answered", "overloaded", "deadline_exceeded", "unavailable", "cancelled", "internal"]);
  assert.equal(trial.failures, []);
  assert.equal(
    settled.filter((outcome) => outcome === null || !known.has(outcome)),
    [],
  );
  for (const [id, answers] of trial.answersById) {
    if (id >= 0) assert.is(answers, 1, `answers of ask ${id}`);
  }
  assert.is(trial.answersById.size, settled.filter((outcome) => outcome === "answered").length);
  const { inFlight, depth, counts } = trial.actor.measurements();
  assert.equal({ inFlight, depth }, { inFlight: 0, depth: 0 });
  // Tells are counted when they are rejected only, so this is what the asks add up to at least and at most.
  const ended = counts.ok + counts.failed + counts.expired + counts.cancelled;
  const refused = settled.filter((outcome) => outcome === "overloaded").length;
  assert.is(ended + refused, asks, "every ask is counted once");
}

test("No interleaving loses an ask, answers it twice or from a dead incarnation, overlaps handlers or passes a bound", async () => {
  await fc.assert(fc.asyncProperty(fc.array(command, { minLength: 5, maxLength: 60 }), play), { numRuns: 120 });
});

test.run();
