/** What nodes of the first version with a cluster really sent; see test/data/older/README.md. */
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import { headers as natsHeaders } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { SearchRequest } from "../../../actors/retriever/search.ts";
import { type Heartbeat, parseHeartbeat } from "../../../cluster/membership/heartbeat.ts";
import { hear, MEMBERSHIP_LIMITS, type Member } from "../../../cluster/membership/member.ts";
import { CHANGES_SUBJECT, controlSubject, HEARTBEAT_SUBJECT, parseChange, parseControl } from "../../../cluster/nats/wire.ts";
import { decodeBody } from "../../../transport/nats/body.ts";
import { readHeaders } from "../../../transport/nats/headers.ts";

interface Recorded {
  readonly subject: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly text?: string;
  readonly base64?: string;
}

const STORES = "64e3bd081ae5d2f4b0868e19b127fcdc";
const test = suite("the first version's wire");
const recorded = readFileSync(new URL("../../data/older/wire_first_version.jsonl", import.meta.url), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Recorded);
const textsOn = (subject: string) => recorded.filter((message) => message.subject === subject).map(({ text = "" }) => text);

test("Its heartbeats are heard from its start to its leave, with what they say and defaults for the rest", () => {
  const members = new Map<string, Member>();
  for (const [at, text] of textsOn(HEARTBEAT_SUBJECT).entries()) {
    const beat = parseHeartbeat(text) as Heartbeat;
    assert.is.not(beat, null);
    assert.equal([beat.wire, beat.capacity, beat.weight, beat.stores, beat.answersClients], [1, 64, 1, STORES, !beat.isDraining]);
    const heard = hear(members.get(beat.node) ?? null, beat, at, null, MEMBERSHIP_LIMITS);
    assert.is(heard.kind, "news");
    if (heard.kind === "news") members.set(beat.node, heard.member);
  }
  assert.equal([...members.values()].map(({ beat, state }) => [beat.node, state]).sort(), [
    ["a", "left"],
    ["b", "left"],
  ]);
  assert.equal([...(members.get("a")?.ready ?? [])].sort(), ["four", "one", "three", "two"]);
});

test("Its leader's word, and that a collection has changed, are understood", () => {
  const words = textsOn(controlSubject(STORES)).map((text) => parseControl(text));
  assert.ok(words.length >= 2);
  for (const word of words) assert.equal([word?.epoch, word?.mode], [1_795_977_819_583, ""]);
  assert.equal(words.at(-1)?.exceptions.get("one"), ["a"]);
  const changes = textsOn(CHANGES_SUBJECT).map((text) => parseChange(text));
  assert.equal(changes[0], { node: "a", collection: "one", stores: STORES, isAlias: false });
  assert.not(changes.includes(null));
});

test("Its questions are read: who asks, for how long, in what scope, and no parts of an answer", () => {
  const questions = recorded.filter(({ subject }) => subject.endsWith(".routed_search"));
  assert.is(questions.length, 2);
  for (const { headers = {}, base64 = "" } of questions) {
    const given = natsHeaders();
    for (const [name, value] of Object.entries(headers)) given.set(name, value);
    const read = readHeaders(given);
    assert.equal(read?.scope, { tenant: "default", principals: null });
    assert.ok((read?.timeoutMs ?? 0) > 9_000);
    const body = decodeBody(Buffer.from(base64, "base64")) as SearchRequest;
    assert.equal([body.query, body.strategy, body.topK, body.candidateK], ["dog", "hybrid", 10, 100]);
  }
});

test.run();
