import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { encodeHeartbeat, encodeHeartbeatWithin, type Heartbeat, isLater, parseHeartbeat } from "../../../cluster/membership/heartbeat.ts";
import { beatOf } from "../beats.ts";

const test = suite("heartbeat");
const token = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/);
const count = fc.nat(1_000);
const heartbeats: fc.Arbitrary<Heartbeat> = fc.record({
  wire: fc.integer({ min: 1, max: 9 }),
  node: token,
  incarnation: fc.record({ startedMs: fc.integer(), id: token }, { noNullPrototype: true }),
  sequence: count,
  isDraining: fc.boolean(),
  isLeaving: fc.boolean(),
  lagMs: count,
  inFlight: count,
  queue: count,
  capacity: fc.integer({ min: 1, max: 100 }),
  weight: fc.integer({ min: 1, max: 100 }),
  ready: fc.record({ version: count, names: fc.option(fc.array(token, { maxLength: 5 }).map((names) => new Set(names))) }),
  busy: fc.constant(new Map([["docs", 1.5]])),
  url: fc.constant("http://127.0.0.1:7400"),
  stores: token,
  answersClients: fc.boolean(),
  epoch: count,
  isLeader: fc.boolean(),
  mode: fc.constantFrom("", "full", "lexical", "of_a_later_version"),
});

test("Heartbeat is read as it was written", () => {
  fc.assert(
    fc.property(heartbeats, (beat) => {
      const read = parseHeartbeat(encodeHeartbeat(beat));
      assert.equal(read === null ? null : { ...read, ready: [...(read.ready.names ?? [])] }, {
        ...beat,
        ready: [...(beat.ready.names ?? [])],
      });
    }),
  );
});

test("Heartbeat of a version that knows less has defaults, one that knows more is read as far as it is known", () => {
  const least = { v: 1, node: "a", incarnation: { started_ms: 5, id: "x" }, sequence: 3 };
  const { capacity, weight, stores, ready } = parseHeartbeat(JSON.stringify(least)) as Heartbeat;
  assert.equal({ capacity, weight, stores, ready }, { capacity: 32, weight: 1, stores: "", ready: { version: 0, names: null } });
  const later = parseHeartbeat(JSON.stringify({ ...least, v: 7, zone: "eu", ready: { version: 1, names: ["c"], sizes: [1] } }));
  assert.is(later?.wire, 7);
  assert.ok(later?.ready.names?.has("c"));
});

test("What is no heartbeat, or too large for one, is null and throws nothing", () => {
  const least = { v: 1, node: "a", incarnation: { started_ms: 5, id: "x" }, sequence: 3 };
  for (const wrong of [
    "",
    "{",
    "null",
    "[]",
    JSON.stringify({ ...least, node: "a.b" }),
    JSON.stringify({ ...least, node: ">" }),
    JSON.stringify({ ...least, sequence: -1 }),
    JSON.stringify({ ...least, lag_ms: "5" }),
    JSON.stringify({ ...least, ready: { version: 1, names: Array(5_000).fill("c") } }),
    JSON.stringify({ ...least, url: "x".repeat(600_000) }),
  ]) {
    assert.is(parseHeartbeat(wrong), null, wrong.slice(0, 80));
  }
  fc.assert(fc.property(fc.json(), (text) => void parseHeartbeat(text)));
});

test("Heartbeat that is larger than a message may be tells as many names as fit", () => {
  const names = new Set(Array.from({ length: 1_000 }, (_, at) => `collection-${at}`));
  const beat = beatOf("a", 1, { ready: { version: 7, names } });
  assert.is(encodeHeartbeatWithin(beat, 1_048_576), encodeHeartbeat(beat));
  const text = encodeHeartbeatWithin(beat, 8_192);
  assert.ok(text.length <= 8_192);
  const read = parseHeartbeat(text);
  assert.is(read?.ready.version, 7);
  assert.ok((read?.ready.names?.size ?? 0) > 100);
});

test("Of two incarnations exactly one is later, also where their clocks agree", () => {
  const { incarnation } = beatOf("a", 1);
  const twin = { ...incarnation, id: "a-2" };
  assert.ok(isLater(twin, incarnation) !== isLater(incarnation, twin));
  assert.ok(isLater({ startedMs: 2, id: "a" }, incarnation));
});

test.run();
