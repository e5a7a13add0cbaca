import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type BatchingOptions, batchEmbeddings } from "../../../actors/embedding/batching.ts";
import { kennelError } from "../../../runtime/errors.ts";
import { manualClock } from "../../support/manual_clock.ts";
import { scriptedModel } from "./scripted_model.ts";

const test = suite("embedding batching");
const never = new AbortController().signal;

function batched(maxBatch: number, overrides: Partial<BatchingOptions> = {}) {
  const clock = manualClock();
  const model = scriptedModel({ maxBatch });
  const options = { windowMs: 0, maxWaitingTexts: 100, maxConcurrentCalls: 4, clock, ...overrides };
  return { clock, model, port: batchEmbeddings(model, options) };
}

const codeOf = (error: { readonly code: string }): string => error.code;

test("Batching joins the callers of one moment into one call, without a timer", async () => {
  const { clock, model, port } = batched(8);
  const answers = Promise.all([port.embed(["a"], "query", never), port.embed(["bb", "ccc"], "query", never)]);
  await clock.flush();
  assert.is(clock.pendingTimers, 0);
  assert.equal(
    model.calls.map((call) => call.texts),
    [["a", "bb", "ccc"]],
  );
  model.calls[0]?.answer();
  assert.equal(await answers, [[Float32Array.of(1)], [Float32Array.of(2), Float32Array.of(3)]]);
});

test("Batching with a window waits for company, and no longer once a batch is full", async () => {
  const { clock, model, port } = batched(2, { windowMs: 5 });
  void port.embed(["a"], "query", never);
  await clock.advance(4);
  assert.is(model.calls.length, 0);
  await clock.advance(1);
  assert.is(model.calls.length, 1);
  void port.embed(["b"], "query", never);
  void port.embed(["c"], "query", never);
  await clock.flush();
  assert.equal(model.calls[1]?.texts, ["b", "c"]);
  assert.is(clock.pendingTimers, 0);
});

test("Batching embeds a text once for all who want it, also while its call is open", async () => {
  const { clock, model, port } = batched(8);
  const first = port.embed(["a", "a"], "query", never);
  await clock.flush();
  const second = port.embed(["a"], "query", never);
  await clock.flush();
  assert.equal(
    model.calls.map((call) => call.texts),
    [["a"]],
  );
  model.calls[0]?.answer();
  assert.equal(await first, [Float32Array.of(1), Float32Array.of(1)]);
  assert.equal(await second, [Float32Array.of(1)]);
});

test("Batching never mixes queries with documents", async () => {
  const { clock, model, port } = batched(8);
  void port.embed(["a"], "query", never);
  void port.embed(["a"], "document", never);
  await clock.flush();
  assert.equal(
    model.calls.map((call) => call.purpose),
    ["query", "document"],
  );
});

test("Batching splits what is more than one batch and opens no more calls than allowed", async () => {
  const { clock, model, port } = batched(2, { maxConcurrentCalls: 1 });
  const answer = port.embed(["a", "bb", "ccc"], "document", never);
  await clock.flush();
  assert.equal(
    model.calls.map((call) => call.texts),
    [["a", "bb"]],
  );
  model.calls[0]?.answer();
  await clock.flush();
  assert.equal(model.calls[1]?.texts, ["ccc"]);
  model.calls[1]?.answer();
  assert.equal(await answer, [Float32Array.of(1), Float32Array.of(2), Float32Array.of(3)]);
});

test("Batching refuses a caller with overloaded when too many texts wait", async () => {
  const { clock, port } = batched(1, { maxConcurrentCalls: 1, maxWaitingTexts: 2 });
  void port.embed(["in the call"], "query", never);
  await clock.flush();
  void port.embed(["waits", "waits, too"], "query", never);
  assert.is(await port.embed(["one too many"], "query", never).catch(codeOf), "overloaded");
});

test("Batching lets a cancelled caller go alone", async () => {
  const { clock, model, port } = batched(8);
  const leaving = new AbortController();
  const cancelled = port.embed(["a", "b"], "query", leaving.signal).catch(codeOf);
  const staying = port.embed(["a"], "query", never);
  await clock.flush();
  leaving.abort();
  assert.is(await cancelled, "cancelled");
  assert.not(model.calls[0]?.signal.aborted);
  model.calls[0]?.answer();
  assert.equal(await staying, [Float32Array.of(1)]);
});

test("Batching drops a waiting text that nobody wants any more and aborts a call of which that is all", async () => {
  const { clock, model, port } = batched(1, { maxConcurrentCalls: 1 });
  const [first, second] = [new AbortController(), new AbortController()];
  const outcomes = Promise.all([
    port.embed(["a"], "query", first.signal).catch(codeOf),
    port.embed(["b"], "query", second.signal).catch(codeOf),
  ]);
  await clock.flush();
  second.abort();
  first.abort();
  await clock.flush();
  assert.ok(model.calls[0]?.signal.aborted);
  model.calls[0]?.fail(kennelError("cancelled"));
  assert.equal(await outcomes, ["cancelled", "cancelled"]);
  await clock.flush();
  assert.is(model.calls.length, 1);
});

test("Batching starts a new call for a text whose call was aborted", async () => {
  const { clock, model, port } = batched(8);
  const leaving = new AbortController();
  const gone = port.embed(["a"], "query", leaving.signal).catch(codeOf);
  await clock.flush();
  leaving.abort();
  await gone;
  const answer = port.embed(["a"], "query", never);
  await clock.flush();
  model.calls[0]?.fail(kennelError("cancelled"));
  model.calls[1]?.answer();
  assert.equal(await answer, [Float32Array.of(1)]);
});

test("Batching fails every caller of a call that failed, and embeds again for the next", async () => {
  const { clock, model, port } = batched(8);
  const outcomes = Promise.all([port.embed(["a"], "query", never).catch(codeOf), port.embed(["b"], "query", never).catch(codeOf)]);
  await clock.flush();
  model.calls[0]?.fail(kennelError("unavailable"));
  assert.equal(await outcomes, ["unavailable", "unavailable"]);
  const again = port.embed(["a"], "query", never);
  await clock.flush();
  model.calls[1]?.answer();
  assert.equal(await again, [Float32Array.of(1)]);
});

test("Batching finds the one text that the model refuses and answers the others", async () => {
  const { clock, model, port } = batched(8);
  const outcomes = Promise.all(["a", "refused", "ccc"].map((text) => port.embed([text], "query", never).catch(codeOf)));
  for (let call = 0; call < model.calls.length || call === 0; call++) {
    await clock.flush();
    if (model.calls[call]?.texts.includes("refused")) model.calls[call]?.fail(kennelError("invalid_request"));
    else model.calls[call]?.answer();
    await clock.flush();
  }
  assert.equal(await outcomes, [[Float32Array.of(1)], "invalid_request", [Float32Array.of(3)]]);
});

test("Batching answers every caller with the vectors of exactly its own texts, in order", async () => {
  const requests = fc.array(fc.array(fc.string({ maxLength: 4 }), { maxLength: 5 }), { minLength: 1, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(requests, fc.integer({ min: 1, max: 4 }), async (callers, maxBatch) => {
      const { clock, model, port } = batched(maxBatch, { maxConcurrentCalls: 2 });
      const answers = Promise.all(callers.map((texts) => port.embed(texts, "query", never)));
      for (let answered = 0; answered < 50; answered++) {
        await Promise.resolve();
        for (const call of model.calls) call.answer();
        if (answered % 10 === 9) await clock.flush();
      }
      const expected = callers.map((texts) => texts.map((text) => (text === "" ? null : Float32Array.of(text.length))));
      assert.equal(await answers, expected);
      assert.ok(model.calls.every((call) => call.texts.length <= maxBatch));
    }),
    { numRuns: 50 },
  );
});

test("Batching with a window sends full batches at once and lets the rest wait for company, also when a call ends", async () => {
  const { clock, model, port } = batched(2, { windowMs: 5 });
  void port.embed(["a", "b", "c"], "query", never);
  await clock.flush();
  assert.equal(
    model.calls.map((call) => call.texts),
    [["a", "b"]],
  );
  model.calls[0]?.answer();
  await clock.flush();
  assert.is(model.calls.length, 1);
  await clock.advance(5);
  assert.equal(model.calls[1]?.texts, ["c"]);
  assert.is(clock.pendingTimers, 0);
});

test("Batching sends what is due as soon as a call may be opened, with all that has come meanwhile", async () => {
  const { clock, model, port } = batched(4, { windowMs: 5, maxConcurrentCalls: 1 });
  void port.embed(["a"], "query", never);
  await clock.advance(5);
  void port.embed(["b"], "query", never);
  await clock.advance(5);
  void port.embed(["c"], "query", never);
  await clock.flush();
  assert.is(model.calls.length, 1);
  model.calls[0]?.answer();
  await clock.flush();
  assert.equal(model.calls[1]?.texts, ["b", "c"]);
});

test("Batching asks a model that refuses everything a bounded number of times", async () => {
  const { clock, model, port } = batched(512, { maxWaitingTexts: 512 });
  const texts = Array.from({ length: 512 }, (_, at) => `text ${at}`);
  const failed = port.embed(texts, "document", never).catch(codeOf);
  let refused = 0;
  await clock.flush();
  while (refused < model.calls.length) {
    model.calls[refused++]?.fail(kennelError("invalid_request"));
    await clock.flush();
  }
  assert.is(await failed, "invalid_request");
  assert.ok(refused < 200, `${refused} calls`);
});

test.run();
