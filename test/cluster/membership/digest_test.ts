import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Digest, encodeDigest, MAX_DIGEST_BYTES, parseDigest, type ToldBeat } from "../../../cluster/membership/digest.ts";
import { encodeHeartbeat } from "../../../cluster/membership/heartbeat.ts";
import { beatOf } from "../beats.ts";

const test = suite("digest");
const digestOf = (beats: readonly ToldBeat[]): Digest => ({ node: "speaker", stores: "shared", seat: { count: 4, group: 3 }, beats });
const typical = (at: number) =>
  beatOf(`node-${at}`, 1_000 + at, {
    incarnation: { startedMs: 1_767_225_600_000 + at, id: `k3j5h2g8${at}` },
    lagMs: at % 5,
    inFlight: at % 3,
    capacity: 64,
    ready: { version: 4, names: null },
    url: `http://10.0.0.${at}:7400`,
    epoch: 1_767_225_600_000,
    mode: "full",
  });

test("What is told is read as it was, whatever heartbeats say", () => {
  const word = fc.stringMatching(/^[a-z0-9]{1,8}$/);
  const beat = fc
    .record({
      node: word,
      sequence: fc.nat(1_000),
      isDraining: fc.boolean(),
      isLeaving: fc.boolean(),
      answersClients: fc.boolean(),
      isLeader: fc.boolean(),
      lagMs: fc.nat(500),
      inFlight: fc.nat(64),
      capacity: fc.integer({ min: 1, max: 64 }),
      epoch: fc.nat(5),
      mode: fc.constantFrom("", "full", "basic"),
      version: fc.nat(3),
      names: fc.option(fc.array(word, { maxLength: 4 })),
      busy: fc.array(fc.tuple(word, fc.nat(9)), { maxLength: 3 }),
    })
    .map(({ node, sequence, version, names, busy, ...more }) =>
      beatOf(node, sequence, { ...more, busy: new Map(busy), ready: { version, names: names === null ? null : new Set(names) } }),
    );
  const told = fc.tuple(beat, fc.nat(5_000)).map(([told, ageMs]) => ({ beat: told, ageMs }));
  fc.assert(
    fc.property(fc.array(told, { maxLength: 12 }), (beats) => {
      const [text = "", ...more] = encodeDigest(digestOf(beats), 1_048_576);
      assert.is(more.length, 0);
      assert.equal(parseDigest(text), digestOf(beats));
    }),
  );
});

test("A heartbeat in a digest takes about half of what it takes alone", () => {
  const beats = Array.from({ length: 32 }, (_, at) => ({ beat: typical(at), ageMs: 7 * at }));
  const [text = ""] = encodeDigest(digestOf(beats), 1_048_576);
  assert.ok(text.length / 32 < 0.55 * encodeHeartbeat(typical(10)).length, `${text.length / 32} of ${encodeHeartbeat(typical(10)).length}`);
});

test("A digest that does not fit goes in parts that each stand alone; names that do not fit are left to be asked for", () => {
  const names = new Set(Array.from({ length: 200 }, (_, at) => `collection-${at}`));
  const large = { beat: { ...typical(0), ready: { version: 4, names } }, ageMs: 0 };
  const beats = [large, ...Array.from({ length: 40 }, (_, at) => ({ beat: typical(at + 1), ageMs: at }))];
  const texts = encodeDigest(digestOf(beats), 1_500);
  assert.ok(texts.length > 1 && texts.every((text) => text.length <= 1_500));
  const told = texts.flatMap((text) => parseDigest(text)?.beats ?? []);
  assert.equal(
    told.map(({ beat }) => beat.node),
    beats.map(({ beat }) => beat.node),
  );
  assert.equal(told[0]?.beat.ready, { version: 4, names: null });
});

test("What is malformed or too large is no digest; a heartbeat in it that is none is left out", () => {
  const [text = ""] = encodeDigest(digestOf([{ beat: typical(1), ageMs: 3 }]), 1_048_576);
  const wire = JSON.parse(text);
  for (const wrong of ["", "{", "[]", "null", JSON.stringify({ ...wire, group: 4 }), JSON.stringify({ ...wire, node: "../x" })])
    assert.is(parseDigest(wrong), null, wrong);
  assert.is(parseDigest(JSON.stringify({ ...wire, more: "x".repeat(MAX_DIGEST_BYTES) })), null);
  assert.equal(parseDigest(JSON.stringify({ ...wire, beats: [{ ...wire.beats[0], sequence: -1 }, wire.beats[0]] }))?.beats.length, 1);
  assert.is(parseDigest(JSON.stringify({ ...wire, beats: [{ ...wire.beats[0], age_ms: -1 }] })), null);
});

test("A later version's digest is read for what this one knows of it", () => {
  const [text = ""] = encodeDigest(digestOf([{ beat: typical(1), ageMs: 3 }]), 1_048_576);
  const wire = JSON.parse(text);
  const later = { ...wire, v: 9, zone: "eu-1", common: { ...wire.common, mood: "calm" }, beats: [{ ...wire.beats[0], hot: [] }] };
  assert.equal(parseDigest(JSON.stringify(later)), parseDigest(text));
});

test.run();
