import { readFile, rm, stat, writeFile } from "node:fs/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { COLLECTIONS_PATTERN, collectionMatcher, namesEveryCollection } from "../../../bridge/keys/grant.ts";
import { isKeyOf, KEY_LENGTH, newKey } from "../../../bridge/keys/key.ts";
import { changeKeys, readKeys } from "../../../bridge/keys/key_file.ts";
import { KeyRing } from "../../../bridge/keys/key_ring.ts";
import { readLastUses } from "../../../bridge/keys/last_uses.ts";
import { KennelError } from "../../../runtime/errors.ts";
import { createLogger } from "../../../telemetry/logs.ts";
import { type ManualClock, manualClock } from "../../support/manual_clock.ts";
import { type KeyRig, keyRig } from "./key_rig.ts";

const CHECK_MS = 1_000;

interface State {
  rig: KeyRig;
  clock: ManualClock;
  ring: KeyRing;
  lines: string[];
}

const test = suite<State>("keys");

test.before.each(async (state) => {
  state.rig = await keyRig();
  state.clock = manualClock();
  state.lines = [];
  const logger = createLogger({ level: "trace", node: "n" }, { write: (line: string) => void state.lines.push(line) });
  state.ring = await KeyRing.open({ path: state.rig.path, dataDir: state.rig.folder, checkMs: CHECK_MS, clock: state.clock, logger });
});

test.after.each(async ({ ring, rig }) => {
  await ring.close();
  await rig.remove();
});

function refusal(ring: KeyRing, authorization: string | null): string {
  try {
    ring.verify(authorization);
  } catch (thrown) {
    assert.instance(thrown, KennelError);
    assert.is((thrown as KennelError).code, "unauthorized");
    return (thrown as KennelError).message;
  }
  return assert.unreachable(`it was let in: ${String(authorization).slice(0, 20)}`) as never;
}

test("A key that is made while the node runs is taken after the next look, and one that is revoked no more", async ({
  rig,
  ring,
  clock,
}) => {
  const { id, key } = await rig.add("write", "docs-*");
  refusal(ring, `Bearer ${key}`);
  await clock.advance(CHECK_MS); // the look that the ring makes by itself
  await ring.check();
  assert.equal(ring.verify(`Bearer ${key}`), {
    keyId: id,
    scope: "write",
    collections: "docs-*",
    limits: null,
    tenant: null,
    principals: [],
    replacesUnseen: true,
    owner: `key ${id}`,
    mayDelegate: false,
  });
  assert.equal(ring.verify(`bearer   ${key} `).keyId, id);

  const next = await rig.add("write", "docs-*");
  await ring.check();
  assert.is(ring.verify(`Bearer ${key}`).keyId, id, "both are taken while one replaces the other");
  await rig.change(id, { revoked_at: "2026-01-01T00:00:00.000Z" });
  await ring.check();
  refusal(ring, `Bearer ${key}`);
  assert.is(ring.verify(`Bearer ${next.key}`).keyId, next.id);
});

test("The ring looks by itself at each interval", async ({ ring, clock }) => {
  assert.is(clock.pendingTimers, 1);
  await clock.advance(CHECK_MS);
  await ring.check();
  await clock.flush();
  assert.is(clock.pendingTimers, 1, "the next look is set");
});

test("A key ends at its time", async ({ rig, ring, clock }) => {
  const { key } = await rig.add("read", "*", { expires_at: "2026-01-01T00:00:10.000Z" });
  await ring.check();
  await clock.advance(9_999);
  ring.verify(`Bearer ${key}`);
  await clock.advance(1);
  refusal(ring, `Bearer ${key}`);
});

test("What is no key, or a wrong one, is refused, always with the same words", async ({ rig, ring }) => {
  const { id, key } = await rig.add("admin", "*");
  await ring.check();
  const wrong = `${key.slice(0, -1)}${key.endsWith("A") ? "B" : "A"}`;
  const others = [
    null,
    "",
    key,
    "Bearer",
    "Bearer ",
    `Basic ${key}`,
    `Bearer ${key.slice(0, -1)}`,
    `Bearer ${key}A`,
    `Bearer ${key}, Bearer ${key}`,
    `Bearer ${wrong}`,
    `Bearer ${newKey().key}`,
    `Bearer kennel_${id}_${"A".repeat(43)}`,
    `Bearer ${key.toUpperCase()}`,
    `Bearer ${"x".repeat(100_000)}`,
    `Bearer ${"é".repeat(KEY_LENGTH)}`,
    `Bearer ${id}`,
  ];
  assert.is(new Set(others.map((one) => refusal(ring, one))).size, 1);
});

test("Whatever is wrong with a key of the right form, it is hashed and compared whole, once", async ({ rig }) => {
  const { id, key } = await rig.add("admin", "*");
  const compared: string[] = [];
  const logger = createLogger({ level: "silent", node: "n" });
  const watched = await KeyRing.open({
    path: rig.path,
    dataDir: rig.folder,
    checkMs: CHECK_MS,
    clock: manualClock(),
    logger,
    compare(given, digest) {
      compared.push(`${given.length} ${digest.length}`);
      return isKeyOf(given, digest);
    },
  });
  const secret = key.slice(-43);
  const guesses = [
    `kennel_${id}_${secret[0] === "A" ? "B" : "A"}${secret.slice(1)}`, // wrong from the first character on
    `kennel_${id}_${secret.slice(0, -2)}${secret.at(-2) === "A" ? "B" : "A"}${secret.at(-1)}`, // wrong at the end alone
    newKey().key, // of no known id
  ];
  for (const guess of guesses) refusal(watched, `Bearer ${guess}`);
  assert.equal(compared, Array(guesses.length).fill(`${KEY_LENGTH} 32`));
  watched.verify(`Bearer ${key}`);
  assert.is(compared.length, guesses.length + 1);
  watched.verify(`Bearer ${key}`);
  assert.is(compared.length, guesses.length + 1, "a key that was good is found by its hash");
  const ways = ["bearer", "Bearer", "bEarer", "BEARER", "beaRer", "BEArer", "bearEr", "BEARer"];
  const headers = Array.from({ length: 1_024 }, (_, at) => `${ways[at % 8]}${" ".repeat(2 + Math.floor(at / 8))}${key}`);
  for (const header of headers) watched.verify(header);
  const before = compared.length;
  watched.verify(headers.at(-1) as string);
  assert.is(compared.length, before);
  watched.verify(`Bearer ${key}`);
  assert.is(compared.length, before + 1, "of many ways to write it the first one made room");
  await watched.close();
});

test("The file holds no key, and is its owner's alone", async ({ rig }) => {
  const { key } = await rig.add("admin", "*");
  const text = await readFile(rig.path, "utf8");
  assert.not.match(text, key.slice(20));
  assert.is((await stat(rig.path)).mode & 0o777, 0o600);
});

test("A file that cannot be read changes nothing and is told of once, without what stands in it; one that is gone is no keys", async ({
  rig,
  ring,
  lines,
}) => {
  const { key } = await rig.add("read", "*");
  await ring.check();
  await writeFile(rig.path, `{"version":1,"keys":[{"secret":"canary"}]}`);
  await ring.check();
  await ring.check();
  ring.verify(`Bearer ${key}`);
  const errors = lines.filter((line) => line.includes("cannot be read"));
  assert.is(errors.length, 1);
  assert.not.match(lines.join("\n"), "canary");
  assert.not.match(lines.join("\n"), key);
  await rm(rig.path);
  await ring.check();
  refusal(ring, `Bearer ${key}`);
});

test("Changes never overlap, and a draft that a killed process left holds nobody up for ever", async ({ rig }) => {
  await rig.add("read", "*");
  const both = await Promise.allSettled([rig.add("read", "a"), rig.add("read", "b")]);
  const done = both.filter(({ status }) => status === "fulfilled").length;
  assert.ok(done >= 1);
  assert.is((await readKeys(rig.path)).length, 1 + done, "none is lost");
  await writeFile(`${rig.path}.draft`, "");
  await changeKeys(rig.path, (keys) => keys).then(
    () => assert.unreachable("a draft that was just made is someone's"),
    (thrown: unknown) => assert.is((thrown as KennelError).code, "conflict"),
  );
});

test("When a key was last used outlives the node", async ({ rig, ring, clock }) => {
  const { id, key } = await rig.add("read", "*");
  await ring.check();
  await clock.advance(5_000);
  ring.verify(`Bearer ${key}`);
  await rig.add("read", "*");
  await ring.check(); // the file is read anew
  await ring.close();
  assert.equal([...(await readLastUses(rig.folder))], [[id, clock.wallMs()]]);
});

test("A pattern names collections and beginnings of names", () => {
  for (const good of ["*", "docs", "docs-*", "a,b-*", "A_9"]) assert.match(good, COLLECTIONS_PATTERN);
  for (const bad of ["", ",", "a,", ",a", "a b", "**", "*a", "a*b", "a\n", "é", "x".repeat(66), Array(17).fill("a").join(",")])
    assert.not.match(bad, COLLECTIONS_PATTERN);
  assert.ok(collectionMatcher("docs-*,notes")("docs-1") && collectionMatcher("docs-*,notes")("notes"));
  assert.not.ok(collectionMatcher("docs-*,notes")("docs") || collectionMatcher("notes")("notes2") || collectionMatcher("docs")("Docs"));
  for (const every of ["*", "a,*"]) assert.ok(collectionMatcher(every)("any"));
  assert.ok(collectionMatcher("a*")("a") && !collectionMatcher("a*")("b"));
  assert.ok(namesEveryCollection("a,*"));
  assert.not.ok(namesEveryCollection("a*"));
});

test.run();
