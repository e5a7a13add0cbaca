import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CLUSTER_OPTIONS } from "../../../cluster/options.ts";
import { Budget } from "../../../cluster/router/budget.ts";
import type { Candidate } from "../../../cluster/router/candidates.ts";
import { Durations } from "../../../cluster/router/durations.ts";
import { Router, type RouterOptions, type Sent } from "../../../cluster/router/router.ts";
import { toKennelError } from "../../../runtime/errors.ts";
import { seededRandom } from "../../../runtime/random.ts";
import { manualClock } from "../../support/manual_clock.ts";

const test = suite("router");

function routing(changes: Partial<RouterOptions> = {}) {
  const clock = manualClock();
  const asked: { node: string; settle: (sent: Sent<string>) => void; isCancelled: boolean }[] = [];
  const candidates: Candidate[] = ["a", "b"].map((node) => ({ node, tier: 0, load: 0, isSelf: false }));
  const router = new Router<string, string>(
    {
      clock,
      random: seededRandom(1),
      candidates: () => candidates,
      mayHedge: () => true,
      send(node, _request, _timeoutMs, settle) {
        const one = { node, settle, isCancelled: false };
        asked.push(one);
        return () => {
          one.isCancelled = true;
        };
      },
    },
    { ...CLUSTER_OPTIONS.router, ...changes },
  );
  const outcomes: Sent<string>[] = [];
  const ask = (timeoutMs = 2_000) => router.query("docs", "question", timeoutMs, (sent) => outcomes.push(sent));
  return { clock, asked, router, outcomes, ask };
}

test("Router leaves nothing behind an answered query: no timer, no count, no other attempt", () => {
  const { clock, asked, router, outcomes, ask } = routing();
  ask();
  assert.is(router.outstanding(asked[0]?.node ?? ""), 1);
  router.suspect(asked[0]?.node ?? "");
  asked[1]?.settle({ kind: "answer", answer: "second" });
  assert.is(asked[0]?.isCancelled, true);
  asked[0]?.settle({ kind: "answer", answer: "first" });
  assert.equal(outcomes, [{ kind: "answer", answer: "second" }]);
  assert.equal([router.open, router.outstanding("a"), router.outstanding("b"), clock.pendingTimers], [0, 0, 0, 0]);
  assert.is(router.counts.superfluous, 1);
});

test("A caller that leaves cancels what was asked and hears nothing any more", () => {
  const { clock, asked, router, outcomes, ask } = routing();
  ask()();
  assert.is(asked[0]?.isCancelled, true);
  asked[0]?.settle({ kind: "answer", answer: "late" });
  assert.equal([outcomes.length, router.open, clock.pendingTimers], [0, 0, 0]);
});

test("Nobody answers: the caller is told at the deadline", () => {
  const { clock, outcomes, ask } = routing();
  ask(300);
  clock.advanceNow(299);
  assert.is(outcomes.length, 0);
  clock.advanceNow(1);
  const [outcome] = outcomes;
  assert.is(outcome?.kind === "error" && toKennelError(outcome.error.cause).code, "deadline_exceeded");
});

test("More queries than may be open are refused", () => {
  const { outcomes, ask } = routing({ maxOpen: 1 });
  ask();
  ask();
  const [outcome] = outcomes;
  assert.is(outcome?.kind === "error" && toKennelError(outcome.error.cause).code, "overloaded");
});

test("Hedges stay within their share of the queries, however slow all answers have become", () => {
  const { clock, asked, router, ask } = routing();
  for (let at = 0; at < 64; at++) {
    ask();
    asked.at(-1)?.settle({ kind: "answer", answer: "" });
  }
  for (let at = 0; at < 400; at++) {
    ask(1_000);
    clock.advanceNow(50);
    for (const one of asked.splice(0)) one.settle({ kind: "answer", answer: "" });
  }
  const { queries, sends } = router.counts;
  assert.ok((sends.hedge ?? 0) > 0, "none was made");
  assert.ok((sends.hedge ?? 0) <= queries * 0.05 + CLUSTER_OPTIONS.router.hedgeBurst, `${sends.hedge} hedges of ${queries}`);
});

test("Budget lets through its share and its burst", () => {
  const budget = new Budget(0.05, 2);
  let spent = 0;
  for (let at = 0; at < 1_000; at++) {
    budget.count();
    if (!budget.canSpend) continue;
    budget.spend();
    spent += 1;
  }
  assert.ok(spent >= 50 && spent <= 52, `${spent}`);
});

test("Durations know the slowest twentieth once they have seen enough, and keep a bounded number of collections", () => {
  const durations = new Durations();
  for (let at = 0; at < 39; at++) durations.note("docs", 1);
  assert.is(durations.p95Ms("docs"), null);
  for (let at = 1; at <= 256; at++) durations.note("docs", at);
  const p95Ms = durations.p95Ms("docs") ?? 0;
  assert.ok(p95Ms > 220 && p95Ms < 250, `${p95Ms}`);
  for (let at = 0; at < 5_000; at++) durations.note(`c${at}`, 1);
  assert.is(durations.p95Ms("docs"), null);
});

test.run();
