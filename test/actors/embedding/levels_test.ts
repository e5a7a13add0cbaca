import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { EmbeddingModel, Purpose } from "../../../actors/embedding/embedding.ts";
import type { EmbeddingStore } from "../../../actors/embedding/embedding_store.ts";
import { EmbeddingLevel, type EmbeddingLevelOptions, withLevels } from "../../../actors/embedding/levels.ts";
import { kennelError } from "../../../runtime/errors.ts";
import { superviseService } from "../../../supervisor/service.ts";
import { gate, startSupervisor, testLimits, watch } from "../../support/supervision.ts";

const test = suite("embedding levels");
const never = new AbortController().signal;
const UNIT = Float32Array.of(0.6, 0.8);
const OTHER = Float32Array.of(1, 0);

/** A store in memory that a test can read, and make fail or wait. */
class ScriptedStore implements EmbeddingStore {
  readonly kept = new Map<string, Float32Array>();
  readonly reads: (readonly string[])[] = [];
  fault: (() => Promise<never>) | null = null;

  async read(keys: readonly string[]) {
    this.reads.push(keys);
    await this.fault?.();
    return keys.map((key) => this.kept.get(key) ?? null);
  }
  async write(entries: readonly { readonly key: string; readonly vector: Float32Array }[]) {
    await this.fault?.();
    for (const { key, vector } of entries) this.kept.set(key, vector);
  }
  async probe() {}
  async close() {}
}

function startLevels(...overrides: readonly Partial<EmbeddingLevelOptions>[]) {
  const { supervisor, clock } = startSupervisor();
  const stores = overrides.map(() => new ScriptedStore());
  const levels: EmbeddingLevel[] = overrides.map((over, at) => {
    const service = superviseService<EmbeddingStore>(supervisor, {
      name: `level${at}`,
      kind: "embedding_cache",
      limits: testLimits({ maxInFlight: 10 }),
      open: async () => stores[at] as ScriptedStore,
      close: async (store) => levels[at]?.flush(store),
      probe: async () => {},
    });
    const purposes: readonly Purpose[] = ["query", "document"];
    return new EmbeddingLevel(service, {
      purposes,
      readTimeoutMs: 50,
      writeTimeoutMs: 100,
      maxWaitingWrites: 4,
      flushLimitMs: 200,
      clock,
      ...over,
    });
  });
  const asked: string[][] = [];
  const bare: EmbeddingModel = {
    name: "model",
    dimensions: 2,
    maxBatch: 8,
    async embed(texts) {
      asked.push([...texts]);
      return texts.map((text) => (text === "" ? null : UNIT));
    },
  };
  return { supervisor, clock, stores, levels, asked, model: withLevels(bare, levels, () => 2) };
}

test("What the model has made is written to every level, and asked of the first from then on", async () => {
  const { clock, stores, levels, asked, model } = startLevels({}, {});
  const [first, second] = stores as [ScriptedStore, ScriptedStore];
  const made = watch(model.embed(["a", "", "b"], "query", never));
  await clock.flush();
  assert.equal(made.result, [UNIT, null, UNIT]);
  assert.equal([...first.kept.keys()], [...second.kept.keys()]);
  assert.is(first.kept.size, 2);
  const again = watch(model.embed(["b", "a"], "query", never));
  await clock.flush();
  assert.equal(again.result, [UNIT, UNIT]);
  assert.is(asked.length, 1);
  assert.is(second.reads.length, 1);
  assert.is(levels[0]?.stats.hits, 2);
});

test("Purposes and models have keys of their own, and a level is left alone where it does not serve", async () => {
  const { clock, stores, asked, model } = startLevels({ purposes: ["document"] });
  watch(model.embed(["a"], "query", never));
  await clock.flush();
  assert.is(stores[0]?.reads.length, 0);
  assert.is(stores[0]?.kept.size, 0);
  watch(model.embed(["a"], "document", never));
  await clock.flush();
  assert.equal(asked, [["a"], ["a"]]);
  assert.match([...(stores[0]?.kept.keys() ?? [])][0] ?? "", /^model:document:[\w-]{43}$/);
});

test("What a later level has is written to the one before it, and only the rest is asked of the model", async () => {
  const { clock, stores, asked, model } = startLevels({}, {});
  const [first, second] = stores as [ScriptedStore, ScriptedStore];
  watch(model.embed(["a"], "query", never));
  await clock.flush();
  for (const key of second.kept.keys()) second.kept.set(key, OTHER);
  first.kept.clear();
  const found = watch(model.embed(["a", "b"], "query", never));
  await clock.flush();
  assert.equal(found.result, [OTHER, UNIT]);
  assert.equal(asked, [["a"], ["b"]]);
  assert.is(first.kept.size, 2);
});

test("A vector that is not of the model's length, or not of unit length, is not believed", async () => {
  const { clock, stores, levels, asked, model } = startLevels({});
  for (const wrong of [Float32Array.of(1), Float32Array.of(1, 1), Float32Array.of(Number.NaN, 1)]) {
    watch(model.embed(["a"], "query", never));
    await clock.flush();
    for (const key of stores[0]?.kept.keys() ?? []) stores[0]?.kept.set(key, wrong);
  }
  assert.is(asked.length, 3);
  assert.is(levels[0]?.stats.misses, 3);
});

test("A level that fails or hangs is passed by after its time, and left alone once its breaker is open", async () => {
  const { clock, stores, levels, asked, model } = startLevels({});
  const store = stores[0] as ScriptedStore;
  store.fault = () => Promise.reject(kennelError("unavailable"));
  const failed = watch(model.embed(["a"], "query", never));
  await clock.flush();
  assert.equal(failed.result, [UNIT]);
  store.fault = () => new Promise<never>(() => undefined);
  for (let at = 0; at < 4; at++) {
    const slow = watch(model.embed([`b${at}`], "query", never));
    await clock.flush();
    await clock.advance(50);
    assert.equal(slow.result, [UNIT]);
  }
  await clock.advance(100);
  const reads = store.reads.length;
  const passed = watch(model.embed(["c"], "query", never));
  await clock.flush();
  assert.equal(passed.result, [UNIT]);
  assert.is(store.reads.length, reads);
  assert.is(asked.length, 6);
  assert.is(levels[0]?.stats.unanswered, 6);
});

test("Cancelling while a level is asked ends the call, and the model is not asked", async () => {
  const { clock, stores, asked, model } = startLevels({});
  (stores[0] as ScriptedStore).fault = () => new Promise<never>(() => undefined);
  const caller = new AbortController();
  const call = watch(model.embed(["a"], "query", caller.signal));
  await clock.flush();
  caller.abort();
  await clock.flush();
  assert.is(call.result, "cancelled");
  assert.equal(asked, []);
});

test("Writes wait up to their bound, what is beyond it is dropped and counted", async () => {
  const { clock, stores, levels, model } = startLevels({ maxWaitingWrites: 4 });
  const store = stores[0] as ScriptedStore;
  watch(model.embed(["warm"], "query", never));
  await clock.flush();
  const open = gate();
  store.write = async (entries) => {
    await open.opened;
    for (const { key, vector } of entries) store.kept.set(key, vector);
  };
  watch(model.embed(["a"], "query", never));
  await clock.flush();
  watch(model.embed(["1", "2", "3", "4", "5", "6"], "query", never));
  await clock.flush();
  assert.is(levels[0]?.stats.waitingWrites, 4);
  assert.is(levels[0]?.stats.droppedWrites, 2);
  open.open();
  await clock.flush();
  assert.is(levels[0]?.stats.written, 6);
  assert.is(levels[0]?.stats.waitingWrites, 0);
});

test("What a level remembers is recalled without the model, and nothing else is", async () => {
  const { clock, stores, asked, model } = startLevels({ purposes: ["document"] }, { purposes: ["query"] });
  watch(model.embed(["a"], "query", never));
  await clock.flush();
  asked.length = 0;
  const [known, unknown, document] = ["a", "b", "a"].map((text, at) => watch(model.recall(text, at === 2 ? "document" : "query", never)));
  await clock.flush();
  assert.equal([known?.result, unknown?.result, document?.result], [UNIT, null, null]);
  (stores[1] as ScriptedStore).fault = () => Promise.reject(kennelError("unavailable"));
  const failing = watch(model.recall("a", "query", never));
  await clock.flush();
  assert.is(failing.result, null);
  assert.equal(asked, []);
});

/** A level whose first write is held up, with four more behind it. */
async function startBusyLevel() {
  const rig = startLevels({});
  const store = rig.stores[0] as ScriptedStore;
  const held = gate();
  const write = store.write.bind(store);
  store.write = async (entries) => {
    await held.opened;
    await write(entries);
  };
  watch(rig.model.embed(["first"], "query", never));
  await rig.clock.flush();
  watch(rig.model.embed(["1", "2", "3", "4"], "query", never));
  await rig.clock.flush();
  assert.is(rig.levels[0]?.stats.waitingWrites, 4);
  const stop = () => watch(rig.supervisor.stop({ reason: "test", limitMs: 10_000 }));
  return { ...rig, store, held, stop };
}

test("What waits to be written when a store is closed is written before", async () => {
  const { clock, store, held, levels, stop } = await startBusyLevel();
  const stopped = stop();
  await clock.flush();
  assert.is(stopped.result, null, "it waits for the write in flight");
  held.open();
  for (let step = 0; step < 5; step++) await clock.advance(10);
  assert.is(store.kept.size, 5);
  assert.is(levels[0]?.stats.written, 5);
  assert.is(levels[0]?.stats.waitingWrites, 0);
});

test("A store that hangs holds up its closing for the limit of a flush, and what it lost is counted", async () => {
  const { clock, store, levels, supervisor } = await startBusyLevel();
  const closing = levels[0]?.flush(store).then(() => "closed");
  const flushed = watch(closing ?? Promise.resolve(""));
  await clock.advance(199);
  assert.is(flushed.result, null);
  await clock.advance(1);
  assert.is(flushed.result, "closed");
  assert.is(levels[0]?.stats.droppedWrites, 5, "four, and the one in flight by its own limit");
  watch(supervisor.stop({ reason: "test", limitMs: 10 }));
  await clock.advance(20_000);
});

test("What waits while its store is away is written when it is back", async () => {
  const { clock, stores, levels, model } = startLevels({ maxWaitingWrites: 4 });
  const store = stores[0] as ScriptedStore;
  await clock.flush();
  const held = gate();
  const write = store.write.bind(store);
  store.write = async (entries) => {
    await held.opened;
    await write(entries);
  };
  watch(model.embed(["first"], "query", never));
  await clock.flush();
  watch(model.embed(["1", "2"], "query", never));
  await clock.flush();
  store.fault = () => Promise.reject(kennelError("unavailable"));
  for (let at = 0; at < 10; at++) {
    watch(model.embed([`read ${at}`], "query", never));
    await clock.flush();
  }
  await clock.advance(300); // the write in flight has had its grace
  assert.ok((levels[0]?.stats.waitingWrites ?? 0) >= 2);
  store.fault = null;
  held.open();
  for (let step = 0; step < 20; step++) await clock.advance(100);
  watch(model.embed(["again"], "query", never));
  await clock.flush();
  assert.is(levels[0]?.stats.waitingWrites, 0);
  assert.ok((levels[0]?.stats.written ?? 0) >= 2);
});

test.run();
