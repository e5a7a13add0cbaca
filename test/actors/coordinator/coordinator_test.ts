import { test } from "uvu";
import * as assert from "uvu/assert";
import { createCoordinator, type ModeSnapshot, type WatchedService } from "../../../actors/coordinator/coordinator.ts";
import type { Role } from "../../../actors/coordinator/modes.ts";
import { publishedModes } from "../../../actors/coordinator/published_modes.ts";
import type { Mode } from "../../../actors/retriever/search.ts";
import { startSupervisor, testLimits } from "../../support/supervision.ts";

function startCoordinator() {
  const { supervisor, clock } = startSupervisor();
  const store = { name: "lancedb", isAvailable: true, breaker: "closed" as WatchedService["breaker"] };
  const services = new Map<Role, WatchedService>([
    ["vector_store", store],
    ["lexical_index", store],
  ]);
  const changes: string[] = [];
  const coordinator = createCoordinator({
    clock,
    services,
    intervalMs: 250,
    failAfterMs: 250,
    recoverAfterMs: 1000,
    onChange: (now) => changes.push([...now.failed.keys()].join("+") || "nothing"),
  });
  const child = supervisor.spawn({ name: "coordinator", kind: "coordinator", limits: testLimits(), behavior: coordinator.behavior });
  const modes = publishedModes(coordinator.board, services, true);
  return { clock, store, changes, child, modes, supervisor };
}

test("The mode follows a store's breaker within the hysteresis, out and back, once each", async () => {
  const { clock, store, changes, modes } = startCoordinator();
  await clock.flush();
  assert.is(modes.read("store", false).mode, "full");
  store.isAvailable = false;
  store.breaker = "open";
  for (let step = 0; step < 4; step++) await clock.advance(250);
  assert.is(modes.read("store", false).mode, "stale");
  assert.is(modes.read("resident", false).mode, "full");
  assert.equal(
    modes.read("store", false).degradations.map((one) => [one.stage, one.service, one.breaker]),
    [
      ["vector", "lancedb", "open"],
      ["bm25", "lancedb", "open"],
    ],
  );
  store.isAvailable = true;
  store.breaker = "closed";
  await clock.advance(250);
  assert.is(modes.read("store", false).mode, "stale", "one look is not enough to believe a recovery");
  for (let step = 0; step < 6; step++) await clock.advance(250);
  assert.is(modes.read("store", false).mode, "full");
  assert.equal(changes, ["vector_store+lexical_index", "nothing"]);
});

test("What flags leave out is told in answers that would have it, and no more once they are on again", () => {
  const service = (name: string): WatchedService => ({ name, isAvailable: true, breaker: "closed" });
  const services = new Map<Role, WatchedService>([
    ["language_model", service("openai")],
    ["reranker", service("cohere")],
  ]);
  const board = { current: { epoch: 0, failed: new Map(), forcedMode: null as Mode | null, sinceMs: 0 } };
  const flags = { rewriting: true, rerank: true };
  const modes = publishedModes(board, services, true, flags);
  const told = () => modes.read("resident", false).degradations.map(({ stage, reason, service: by }) => [stage, reason, by]);
  assert.equal(told(), []);
  flags.rerank = false;
  assert.equal(told(), [["rerank", "switched_off", "cohere"]]);
  assert.is(modes.read("resident", false), modes.read("resident", false), "worked out once");
  assert.is(modes.read("resident", false).mode, "full", "no service has failed");
  flags.rewriting = false;
  assert.equal(told().length, 2);
  board.current = { ...board.current, epoch: 1, forcedMode: "no_rewrite" };
  assert.equal(told(), [
    ["rewrite", "forced", "openai"],
    ["rerank", "switched_off", "cohere"],
  ]);
  Object.assign(flags, { rewriting: true, rerank: true });
  board.current = { ...board.current, epoch: 2, forcedMode: null };
  assert.equal(told(), []);
});

test("A forced mode wins until it is taken back", async () => {
  const { clock, child, modes } = startCoordinator();
  await clock.flush();
  const forced = child.ask<ModeSnapshot>({ kind: "force", mode: "lexical" }, { timeoutMs: 1000 });
  await clock.flush();
  assert.is((await forced).forcedMode, "lexical");
  assert.is(modes.read("store", false).mode, "lexical");
  assert.is(modes.read("store", false).canSearchVectors, false);
  assert.equal(
    modes.read("resident", true).degradations.map(({ stage, reason, service, breaker }) => [stage, reason, service, breaker]),
    [["vector", "forced", "lancedb", "closed"]],
    "an answer that an operator has cut down says so, also where it needs no store",
  );
  const freed = child.ask({ kind: "force", mode: null }, { timeoutMs: 1000 });
  await clock.flush();
  await freed;
  assert.is(modes.read("store", false).mode, "full");
});

test("A service at its edge changes the mode once, out and back", async () => {
  const { clock, store, changes, modes } = startCoordinator();
  await clock.flush();
  for (let second = 0; second < 60; second++) {
    store.isAvailable = second % 2 === 0;
    store.breaker = store.isAvailable ? "closed" : "open";
    for (let step = 0; step < 4; step++) await clock.advance(250);
  }
  store.isAvailable = true;
  store.breaker = "closed";
  for (let step = 0; step < 8; step++) await clock.advance(250);
  assert.is(modes.read("store", false).mode, "full");
  assert.equal(changes, ["vector_store+lexical_index", "nothing"]);
});

test.run();
