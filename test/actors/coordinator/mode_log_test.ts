import { test } from "uvu";
import * as assert from "uvu/assert";
import type { ModeSnapshot } from "../../../actors/coordinator/coordinator.ts";
import { ModeLog } from "../../../actors/coordinator/mode_log.ts";
import type { Role } from "../../../actors/coordinator/modes.ts";
import { manualClock } from "../../support/manual_clock.ts";

const snapshot = (roles: readonly Role[], forcedMode: ModeSnapshot["forcedMode"] = null): ModeSnapshot => ({
  epoch: 0,
  failed: new Map(roles.map((role) => [role, { service: role === "reranker" ? "reranker" : "store", breaker: "open" }])),
  forcedMode,
  sinceMs: 0,
});

test("A change says what the mode is, was, and what has failed, and an entered mode is counted once", () => {
  const log = new ModeLog(manualClock(), true);
  log.note(snapshot(["reranker"]), snapshot([]));
  log.note(snapshot(["reranker", "vector_store", "lexical_index"]), snapshot(["reranker"]));
  log.note(snapshot(["vector_store", "lexical_index"]), snapshot(["reranker", "vector_store", "lexical_index"]));
  log.note(snapshot(["vector_store", "lexical_index"], "basic"), snapshot(["vector_store", "lexical_index"]));
  assert.equal(
    log.recent.map(({ before, mode, is_forced, failed }) => [before, mode, is_forced, failed]),
    [
      ["full", "no_rerank", false, ["reranker"]],
      ["no_rerank", "stale", false, ["reranker", "store"]],
      ["stale", "stale", false, ["store"]],
      ["stale", "basic", true, ["store"]],
    ],
  );
  assert.equal([...log.entered], [["no_rerank", 1], ["stale", 1], ["basic", 1]]); // biome-ignore format: one list
  assert.is(log.recent[0]?.at, "2026-01-01T00:00:00.000Z");
});

test("The last 50 changes are kept", () => {
  const log = new ModeLog(manualClock(), true);
  for (let change = 0; change < 120; change++) log.note(snapshot(change % 2 === 0 ? ["embedding"] : []), snapshot([]));
  assert.is(log.recent.length, 50);
  assert.is(log.recent.at(-1)?.mode, "full");
});

test.run();
