import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Candidate } from "../../../cluster/router/candidates.ts";
import {
  chooseCandidate,
  openRoute,
  ROUTE_OPTIONS,
  type Route,
  type RouteContext,
  type RouteEffect,
  type RouteEvent,
  stepRoute,
  wakesAtMs,
} from "../../../cluster/router/route.ts";
import { seededRandom } from "../../../runtime/random.ts";

const test = suite("route");
const candidate = (node: string, tier: Candidate["tier"] = 0, load = 0): Candidate => ({ node, tier, load, isSelf: node === "self" });
const GONE = { kind: "gone", cause: "gone" } as const;
const REFUSED = { kind: "refused", cause: "refused" } as const;
const FINAL = { kind: "final", cause: "final" } as const;

function routed(candidates: readonly Candidate[], hedgeAfterMs: number | null = null, timeoutMs = 2_000) {
  let route: Route = openRoute(0, timeoutMs, hedgeAfterMs);
  let nowMs = 0;
  let known = candidates;
  const log: string[] = [];
  const context = (): RouteContext => ({
    nowMs,
    candidates: () => known,
    random: seededRandom(1),
    options: ROUTE_OPTIONS,
    canHedge: () => true,
    canResend: () => true,
  });
  const describe = (effect: RouteEffect) =>
    effect.kind === "send"
      ? `${effect.reason} ${effect.attempt.node}`
      : effect.kind === "fail"
        ? `fail ${effect.isLate ? "late" : effect.error?.kind}`
        : `${effect.kind} ${effect.attempt}`;
  const step = (event: RouteEvent) => {
    const [next, effects] = stepRoute(route, event, context());
    route = next;
    log.push(...effects.map(describe));
    return log.splice(0);
  };
  return {
    step,
    at(ms: number) {
      nowMs = ms;
      return step({ kind: "woken" });
    },
    know(others: readonly Candidate[]) {
      known = others;
    },
    wakesAtMs: () => wakesAtMs(route),
  };
}

test("A query goes to a node that holds the collection, and its answer settles it", () => {
  const { step } = routed([candidate("self", 3), candidate("a", 0), candidate("b", 2)]);
  assert.equal(step({ kind: "begun" }), ["first a"]);
  assert.equal(step({ kind: "answered", attempt: 1 }), ["answer 1"]);
  assert.equal(step({ kind: "answered", attempt: 1 }), []);
});

test("A node that refuses or is gone is replaced by the next; an error that all would give is passed on at once", () => {
  const { step } = routed([candidate("self", 3), candidate("a", 0), candidate("b", 2)]);
  step({ kind: "begun" });
  assert.equal(step({ kind: "failed", attempt: 1, error: REFUSED }), ["retry b"]);
  assert.equal(step({ kind: "failed", attempt: 2, error: GONE }), ["retry self"]);
  assert.equal(step({ kind: "failed", attempt: 3, error: FINAL }), ["fail final"]);
});

test("When all have refused the query fails; when all were gone they are asked again after a pause", () => {
  const refused = routed([candidate("a")]);
  refused.step({ kind: "begun" });
  assert.equal(refused.step({ kind: "failed", attempt: 1, error: REFUSED }), ["fail refused"]);
  const gone = routed([candidate("a")]);
  gone.step({ kind: "begun" });
  assert.equal(gone.step({ kind: "failed", attempt: 1, error: GONE }), []);
  assert.is(gone.wakesAtMs(), ROUTE_OPTIONS.pauseMs);
  assert.equal(gone.at(ROUTE_OPTIONS.pauseMs), ["retry a"]);
});

test("One hedge goes to another node that holds the collection; whoever answers first settles, the other is cancelled", () => {
  const { step, at } = routed([candidate("a"), candidate("b"), candidate("c")], 50);
  const [first] = step({ kind: "begun" });
  const [hedge, ...more] = at(50);
  assert.match(String(hedge), /^hedge /);
  assert.is.not(String(hedge).slice(6), String(first).slice(6));
  assert.is(more.length, 0);
  assert.equal(at(200), [], "one is all");
  assert.equal(step({ kind: "answered", attempt: 2 }), ["answer 2", "cancel 1"]);
});

test("No hedge goes to a node that would have to open the collection", () => {
  const { step, at } = routed([candidate("a", 0), candidate("b", 2), candidate("self", 3)], 50);
  step({ kind: "begun" });
  assert.equal(at(50), []);
});

test("A suspected node is replaced at once, and may still answer", () => {
  const { step } = routed([candidate("a", 0), candidate("self", 3)]);
  step({ kind: "begun" });
  assert.equal(step({ kind: "suspected", node: "other" }), []);
  assert.equal(step({ kind: "suspected", node: "a" }), ["suspected self"]);
  assert.equal(step({ kind: "answered", attempt: 1 }), ["answer 1", "cancel 2"]);
});

test("What nothing is heard of is asked of another at half of its time, and fails at its deadline", () => {
  const { step, at } = routed([candidate("a", 0), candidate("self", 3)]);
  step({ kind: "begun" });
  assert.equal(at(999), []);
  assert.equal(at(1_000), ["late self"]);
  assert.equal(at(1_500), [], "nobody is left");
  assert.equal(at(2_000), ["fail late", "cancel 1", "cancel 2"]);
});

test("Whatever happens, a query is settled once, by its deadline, and no node is asked twice at a time", () => {
  const nodes = ["self", "a", "b", "c"];
  const tiers = fc.constantFrom<Candidate["tier"]>(0, 1, 2, 3);
  const known = fc.array(fc.tuple(fc.constantFrom(...nodes), tiers), { maxLength: 4 });
  const happening = fc.oneof(
    fc.record({ kind: fc.constant("answered" as const), attempt: fc.integer({ min: 1, max: 40 }) }),
    fc.record({
      kind: fc.constant("failed" as const),
      attempt: fc.integer({ min: 1, max: 40 }),
      error: fc.constantFrom(GONE, REFUSED, FINAL),
    }),
    fc.record({ kind: fc.constant("suspected" as const), node: fc.constantFrom(...nodes) }),
    fc.record({ kind: fc.constant("woken" as const), afterMs: fc.integer({ min: 0, max: 400 }) }),
    fc.record({ kind: fc.constant("known" as const), known }),
  );
  fc.assert(
    fc.property(
      known,
      fc.array(happening, { maxLength: 60 }),
      fc.option(fc.integer({ min: 1, max: 500 })),
      (first, events, hedgeAfterMs) => {
        let route: Route = openRoute(0, 2_000, hedgeAfterMs);
        let nowMs = 0;
        let candidates = first.map(([node, tier]) => candidate(node, tier));
        const open = new Map<number, string>();
        let settled = 0;
        let hedges = 0;
        const step = (event: RouteEvent) => {
          const [next, effects] = stepRoute(route, event, {
            nowMs,
            candidates: () => candidates,
            random: seededRandom(nowMs),
            options: ROUTE_OPTIONS,
            canHedge: () => true,
            canResend: () => true,
          });
          route = next;
          for (const effect of effects) {
            if (effect.kind === "send") {
              assert.ok(nowMs < 2_000 && effect.timeoutMs <= 2_000 - nowMs);
              assert.not([...open.values()].includes(effect.attempt.node), "asked twice at a time");
              assert.not(open.has(effect.attempt.number));
              open.set(effect.attempt.number, effect.attempt.node);
              if (effect.reason === "hedge") hedges += 1;
            } else if (effect.kind === "cancel") open.delete(effect.attempt);
            else settled += 1;
          }
        };
        step({ kind: "begun" });
        for (const event of events) {
          if (event.kind === "known") candidates = event.known.map(([node, tier]) => candidate(node, tier));
          else if (event.kind === "woken") {
            nowMs += event.afterMs;
            step({ kind: "woken" });
          } else if (event.kind === "suspected") step(event);
          else if (open.has(event.attempt)) {
            open.delete(event.attempt);
            step(event);
          }
        }
        nowMs = 2_000;
        step({ kind: "woken" });
        assert.is(settled, 1);
        assert.ok(hedges <= 1);
        assert.is(open.size === 0 || route.kind === "settled", true);
      },
    ),
    { numRuns: 500 },
  );
});

test("Of two drawn the less loaded is chosen, and the own node stays unless another is clearly less loaded", () => {
  const random = seededRandom(3);
  for (let round = 0; round < 50; round++) {
    assert.is(chooseCandidate([candidate("a", 0, 1), candidate("b", 0, 0.1)], random)?.node, "b");
    assert.is(chooseCandidate([candidate("self", 0, 0.4), candidate("b", 0, 0.1)], random)?.node, "self");
    assert.is(chooseCandidate([candidate("self", 0, 2), candidate("b", 0, 0.1)], random)?.node, "b");
  }
  assert.is(chooseCandidate([], random), null);
});

test.run();
