import { suite } from "uvu";
import * as assert from "uvu/assert";
import { packAnswer, unpackAnswer } from "../../../../actors/retriever/answers/answer_bytes.ts";
import { type AnswerStore, SharedAnswers } from "../../../../actors/retriever/answers/shared_answers.ts";
import type { EncodedAnswer } from "../../../../actors/retriever/search.ts";
import { kennelError } from "../../../../runtime/errors.ts";
import { superviseService } from "../../../../supervisor/service.ts";
import { startSupervisor, testLimits, watch } from "../../../support/supervision.ts";

const test = suite("answers that nodes share");
const never = new AbortController().signal;

function answerOf(text: string, indexVersion = 1): EncodedAnswer {
  const rest = {
    mode: "full",
    degradations: [],
    timings_ms: { total: 1.5 },
    cache: "miss",
    index_version: indexVersion,
    freshness: { index: "store", age_ms: 0 },
  } as const;
  return { hits: new TextEncoder().encode(JSON.stringify([{ id: "a#0", text }])), rest };
}

/** A store in memory, with faults. */
async function startShared(over: { readonly maxOpenWrites?: number; readonly maxAnswerBytes?: number } = {}) {
  const { supervisor, clock } = startSupervisor();
  const kept = new Map<string, Buffer>();
  const store = { fault: null as "fail" | "hang" | null };
  const suffer = async (): Promise<void> => {
    if (store.fault === "fail") throw kennelError("unavailable");
    if (store.fault === "hang") return new Promise(() => {});
  };
  const service = superviseService<AnswerStore>(supervisor, {
    name: "redis_answers",
    kind: "answer_cache",
    limits: testLimits({ maxInFlight: 16, minCalls: 1_000 }),
    open: async () => ({
      async read(keys) {
        await suffer();
        return keys.map((key) => kept.get(key) ?? null);
      },
      async write(entries) {
        await suffer();
        for (const { key, bytes } of entries) kept.set(key, bytes);
      },
    }),
    close: async () => {},
    probe: async () => {},
  });
  await clock.flush();
  const shared = new SharedAnswers(service, { readTimeoutMs: 50, writeTimeoutMs: 100, maxOpenWrites: 2, maxAnswerBytes: 1_000, ...over });
  return { shared, store, kept, clock };
}

test("An answer comes back byte for byte, under its own key and index version alone", async () => {
  const { shared, kept, clock } = await startShared();
  const answer = answerOf("größer");
  shared.keep("question", answer);
  await clock.flush();
  assert.equal(await shared.find("question", 1, never), answer);
  assert.is(await shared.find("question", 2, never), null);
  assert.is(await shared.find("another", 1, never), null);
  const [name] = kept.keys();
  assert.match(name ?? "", /^[\w-]{43}$/, "a key is no longer than its digest, and shows nothing of the question");
  kept.set(name as string, packAnswer(answerOf("misplaced", 7)));
  assert.is(await shared.find("question", 1, never), null, "what says that it is of another version is not believed");
  assert.equal(shared.stats, { hits: 1, misses: 3, unanswered: 0, written: 1, droppedWrites: 0 });
});

test("What is no answer is a miss", () => {
  const whole = packAnswer(answerOf("a"));
  assert.equal(unpackAnswer(whole), answerOf("a"));
  const longer = Buffer.from(whole);
  longer.writeUInt32LE(longer.length, 0);
  for (const bytes of [
    Buffer.alloc(0),
    Buffer.from("abc"),
    Buffer.from("OK then"),
    whole.subarray(0, -1),
    longer,
    Buffer.from([2, 0, 0, 0, 0x7b, 0x7d, 0x5b, 0x5d]),
  ]) {
    assert.is(unpackAnswer(bytes), null, bytes.toString("latin1"));
  }
});

test("A store that fails or hangs is a miss, in its time, and nobody waits for a write", async () => {
  const { shared, store, clock } = await startShared();
  store.fault = "fail";
  assert.is(await shared.find("question", 1, never), null);
  shared.keep("question", answerOf("a"));
  await clock.flush();
  store.fault = "hang";
  const asked = watch(shared.find("question", 1, never));
  await clock.advance(49);
  assert.is(asked.result, null);
  const before = shared.stats.unanswered;
  await clock.advance(1);
  assert.is(shared.stats.unanswered, before + 1);
  for (let write = 0; write < 5; write++) shared.keep(`question ${write}`, answerOf("a"));
  assert.is(shared.stats.droppedWrites, 4, "one that failed, and three beyond the two that are open");
  await clock.advance(100);
  assert.is(shared.stats.droppedWrites, 6);
  store.fault = null;
  shared.keep("question", answerOf("a"));
  await clock.flush();
  assert.equal(await shared.find("question", 1, never), answerOf("a"));
});

test("A large answer is not shared", async () => {
  const { shared, kept, clock } = await startShared({ maxAnswerBytes: 100 });
  shared.keep("question", answerOf("a".repeat(100)));
  await clock.flush();
  assert.equal([kept.size, shared.stats.droppedWrites], [0, 1]);
});

test.run();
