import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { WireJob } from "../../bridge/schema/jobs.ts";
import { systemClock } from "../../runtime/clock.ts";
import { type Random, seededRandom } from "../../runtime/random.ts";
import { type KennelProcess, startKennel } from "../support/kennel_process.ts";
import { Caller, until } from "./caller.ts";

const test = suite("an index in memory survives kill -9");

const KILLS = 4;
const SEED = 20_261_124;
/** Writes of a life before it is killed, and how long after that at most: the machine's speed shall not decide how far it comes. */
const MIN_ROUNDS = 6;
const MAX_ROUNDS = 20;
const MAX_DELAY_MS = 60;
const COLLECTIONS = ["left", "right"] as const;
type Name = (typeof COLLECTIONS)[number];
const DOCUMENTS_A_WRITE = 8;

/** Every write brings a merge with it, every pause a snapshot, and each of the two collections puts out the other. */
const SETTINGS = {
  KENNEL_LOAD_DOCUMENTATION: "false",
  KENNEL_RESIDENT_MERGE_FROM_CHUNKS: "1",
  KENNEL_RESIDENT_SAVE_AFTER_MS: "1",
  KENNEL_RETRIEVER_MAX_ACTIVE: "1",
  KENNEL_CACHE_ANSWER_BYTES: "0",
} as const;

/** What was sent to a collection, by document, and what of it was accepted, which no kill may lose. */
class Ledger {
  readonly sent = new Map<string, string>();
  readonly accepted = new Set<string>();
}

/** Writes to both collections and asks both in turns, tells when enough has been done, and goes on until the process is gone. */
async function workUntilKilled(
  caller: Caller,
  ledgers: Readonly<Record<Name, Ledger>>,
  life: number,
  random: Random,
  kill: () => void,
): Promise<void> {
  const rounds = MIN_ROUNDS + Math.floor(random.next() * (MAX_ROUNDS - MIN_ROUNDS));
  let last: WireJob | null = null;
  for (let round = 0; ; round++) {
    if (round === rounds) systemClock().setTimer(random.next() * MAX_DELAY_MS, kill);
    const name = COLLECTIONS[round % 2] as Name;
    const documents = Array.from({ length: DOCUMENTS_A_WRITE }, (_, at) => {
      const id = `d${life}-${round}-${at}`;
      return { id, text: `word${life}x${round}x${at} among ${"many others ".repeat(1 + Math.floor(random.next() * 20))}` };
    });
    const ids = documents.map(({ id }) => id);
    for (const { id, text } of documents) ledgers[name].sent.set(id, text);
    const reply = await caller.send<WireJob>("POST", `/v1/collections/${name}/documents`, { documents }).catch(() => null);
    if (reply === null) return;
    if (reply.status === 202) for (const id of ids) ledgers[name].accepted.add(id);
    // One job ahead, so that the index is written to all the time and jobs do not pile up.
    for (let status = last?.status; status === "queued" || status === "running"; ) {
      const job = await caller.send<WireJob>("GET", `/v1/jobs/${last?.id}`).catch(() => null);
      if (job === null) return;
      status = job.body.status;
    }
    last = reply.body;
    const answer = await caller.send("POST", `/v1/collections/${name}/search`, { query: "others" }).catch(() => null);
    if (answer === null) return;
  }
}

/** All that was accepted is found once, from memory, and nothing that was never sent. */
async function checkAll(caller: Caller, name: Name, { sent, accepted }: Ledger): Promise<void> {
  const everything = { query: "others", strategy: "bm25", top_k: 1_000, candidate_k: 1_000 };
  let found: readonly string[] = [];
  await until(`seed ${SEED}: all of ${name} is found in memory`, async () => {
    const { freshness, data } = await caller.search(name, everything);
    found = data.map(({ document_id }) => document_id);
    return freshness.index === "resident" && [...accepted].every((id) => found.includes(id));
  });
  assert.is(new Set(found).size, found.length, `seed ${SEED}: a document of ${name} is found twice`);
  for (const id of found) assert.ok(sent.has(id), `seed ${SEED}: ${id} of ${name} was never sent`);
  for (const id of [...accepted].slice(-5)) {
    const [word = ""] = (sent.get(id) ?? "").split(" ");
    assert.equal(await caller.found(name, { query: word, strategy: "bm25" }), [id], `seed ${SEED}: by its own word`);
  }
}

test("Killed while it saves, merges and makes room, again and again, a node answers rightly after each start", async () => {
  const folder = await mkdtemp(join(tmpdir(), "kennel-index-kill-"));
  const settings = { ...SETTINGS, KENNEL_DATA_DIR: join(folder, "data"), KENNEL_LOG_LEVEL: "silent" };
  const random = seededRandom(SEED);
  const ledgers: Readonly<Record<Name, Ledger>> = { left: new Ledger(), right: new Ledger() };
  let running: KennelProcess | null = null;
  try {
    for (let life = 0; life <= KILLS; life++) {
      running = await startKennel(settings);
      const caller = new Caller(running.url);
      if (life === 0) for (const name of COLLECTIONS) await caller.makeCollection(name);
      for (const name of COLLECTIONS) if (ledgers[name].accepted.size > 0) await checkAll(caller, name, ledgers[name]);
      if (life === KILLS) break;
      const killed = running;
      await workUntilKilled(caller, ledgers, life, random, () => killed.signal("SIGKILL"));
      await running.ended;
    }
    for (const name of COLLECTIONS) assert.ok(ledgers[name].accepted.size > 0, `seed ${SEED}: ${name} has accepted nothing`);
    const files = await readdir(join(folder, "data", "indexes"));
    for (const file of files) assert.match(file, /\.snapshot(\.tmp)?$/);
  } finally {
    await running?.stop();
    await rm(folder, { recursive: true, force: true });
  }
});

test.run();
