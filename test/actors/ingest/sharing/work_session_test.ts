import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { WorkClaims } from "../../../../actors/document_store/work_claims.ts";
import { WorkSession } from "../../../../actors/ingest/sharing/work_session.ts";
import { kennelError } from "../../../../runtime/errors.ts";
import { seededRandom } from "../../../../runtime/random.ts";
import { createLogger } from "../../../../telemetry/logs.ts";
import { manualClock } from "../../../support/manual_clock.ts";

const test = suite("a node's session of work");
const LEASE_MS = 10_000;
const signal = new AbortController().signal;

/** Claims as a store keeps them, whose answers can be lost and whose calls can be held up. */
function rigOf() {
  const clock = manualClock();
  const held = new Map<string, string>();
  const sessions = new Set<string>();
  const rig = { isAnswerLost: false, releases: Promise.resolve(), begins: Promise.resolve() };
  const claims: WorkClaims = {
    async beginSession(session) {
      await rig.begins;
      sessions.add(session);
    },
    beat: async (session) => sessions.has(session),
    async endSession(session) {
      sessions.delete(session);
      for (const [name, owner] of held) if (owner === session) held.delete(name);
    },
    async claim(session, name) {
      const isMine = (held.get(name) ?? session) === session;
      if (isMine) held.set(name, session);
      if (rig.isAnswerLost) throw kennelError("deadline_exceeded");
      return isMine;
    },
    async release(session, name) {
      await rig.releases;
      if (held.get(name) === session) held.delete(name);
      return false;
    },
    claimed: async () => new Set(held.keys()),
  };
  const logger = createLogger({ level: "silent", node: "test" });
  const session = new WorkSession({ claims, leaseMs: LEASE_MS, clock, random: seededRandom(1), logger, onLost: () => {} });
  return { rig, clock, held, sessions, session };
}

const outcomeOf = (work: Promise<unknown>) => work.then(() => "done", (thrown: { code: string }) => thrown.code); // biome-ignore format: one thought

test("A claim whose answer is lost is given back with the next sign of life: nobody works on it, and others may", async () => {
  const { rig, clock, held, session } = rigOf();
  rig.isAnswerLost = true;
  assert.is(await outcomeOf(session.claim("job a", signal)), "deadline_exceeded");
  assert.ok(held.has("job a"));
  await clock.advance(LEASE_MS / 4);
  assert.not.ok(held.has("job a"));
  await session.end();
});

test("One that is claimed again before that stays", async () => {
  const { rig, clock, held, session } = rigOf();
  rig.isAnswerLost = true;
  await outcomeOf(session.claim("job a", signal));
  rig.isAnswerLost = false;
  assert.ok(await session.claim("job a", signal));
  await clock.advance(LEASE_MS);
  assert.ok(held.has("job a"));
  await session.end();
});

test("A release that is late takes no claim that was made after it", async () => {
  const { rig, clock, held, session } = rigOf();
  await session.claim("job a", signal);
  const gate = Promise.withResolvers<void>();
  rig.releases = gate.promise;
  const released = session.release("job a");
  const claimed = session.claim("job a", signal);
  await clock.flush();
  gate.resolve();
  await released;
  assert.ok(await claimed);
  assert.ok(held.has("job a"));
  await session.end();
});

test("A session that began while the node let go of its work ends at once, and leaves no timer", async () => {
  const { rig, clock, held, sessions, session } = rigOf();
  const gate = Promise.withResolvers<void>();
  rig.begins = gate.promise;
  const claimed = outcomeOf(session.claim("job a", signal));
  await session.end();
  gate.resolve();
  assert.is(await claimed, "draining");
  assert.equal([sessions.size, held.size, clock.pendingTimers], [0, 0, 0]);
});

test.run();
