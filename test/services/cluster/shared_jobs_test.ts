/** Who works on what, of two nodes' shares of jobs that have a real JetStream and a real document store in common. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { DocumentStore } from "../../../actors/document_store/document_store.ts";
import { SharedJobs, type TakenJob } from "../../../actors/ingest/sharing/shared_jobs.ts";
import { JetStreamJobs } from "../../../cluster/nats/jobs/jetstream_jobs.ts";
import { systemClock } from "../../../runtime/clock.ts";
import { systemRandom } from "../../../runtime/random.ts";
import { createLogger } from "../../../telemetry/logs.ts";
import type { FerretServer } from "../../../tooling/servers/ferretdb.ts";
import type { NatsServer } from "../../../tooling/servers/nats.ts";
import { SETTINGS, textDocument } from "../../actors/document_store/documents.ts";
import { newDatabase, openStore, startServer as startFerretServer } from "../mongodb/server.ts";
import { type LinkRig, openLink, startServer as startNatsServer, until, WAIT_MS } from "../nats/nats_rig.ts";

const LEASE_MS = 2_000;
const signal = new AbortController().signal;

interface Share {
  readonly store: DocumentStore;
  readonly jobs: SharedJobs;
  readonly link: LinkRig | null;
  /** Jobs that it was told to work on, less those that it gave back. */
  readonly taken: Set<string>;
  /** Times that it was told to give back what it has. */
  handedBack: number;
  accept(jobId: string): Promise<void>;
  close(): Promise<void>;
}

const test = suite<{ ferret: FerretServer; nats: NatsServer; url: string; stores: string; shares: Share[] }>("shared jobs");
let databases = 0;

test.before(async (context) => {
  context.ferret = await startFerretServer();
  context.nats = await startNatsServer();
});
test.before.each(async (context) => {
  context.url = newDatabase(context.ferret);
  context.stores = `stores${++databases}`; // a consumer of its own
  context.shares = [];
  const store = await openStore(context.url);
  await store.createCollection("docs", SETTINGS, signal);
  await store.close();
});
test.after.each(async ({ shares }) => void (await Promise.all(shares.map((share) => share.close()))));
test.after(async ({ ferret, nats }) => {
  await ferret.stop();
  await nats.stop();
});

interface Context {
  readonly url: string;
  readonly nats: NatsServer;
  readonly stores: string;
  readonly shares: Share[];
}

async function openShare({ url, nats, stores, shares }: Context, hasQueue = true): Promise<Share> {
  const store = await openStore(url, { leaseMs: LEASE_MS });
  const common = { clock: systemClock(), random: systemRandom(), logger: createLogger({ level: "silent", node: "test" }) };
  const link = hasQueue ? openLink([nats]) : null;
  await link?.link.untilConnected(AbortSignal.timeout(WAIT_MS));
  const queue =
    link === null ? null : new JetStreamJobs({ ...common, link: link.link, stores, node: "n", maxJobs: 100, count: link.counts.add });
  const metrics = { redelivered: () => {}, buried: () => {} };
  const jobs = new SharedJobs({ ...common, documents: store, queue, leaseMs: LEASE_MS, maxDeliveries: 5, maxParallel: 1, metrics });
  const taken = new Set<string>();
  const share: Share = {
    store,
    jobs,
    link,
    taken,
    handedBack: 0,
    async accept(jobId) {
      await jobs.offer(await store.acceptDocuments("docs", jobId, [textDocument(jobId, "text")], {}, signal), null);
    },
    async close() {
      await jobs.end();
      queue?.stop();
      await link?.close();
      await store.close();
    },
  };
  jobs.begin({
    take: ({ id }: TakenJob) => taken.add(id).has(id),
    handBack: () => {
      share.handedBack += 1;
      for (const id of taken) jobs.givenBack(id);
      taken.clear();
    },
  });
  shares.push(share);
  return share;
}

test("Each job is taken by one node, and leaves the queue when the store has its end", async (context) => {
  const [one, two] = [await openShare(context), await openShare(context)];
  const ids = Array.from({ length: 6 }, (_, at) => `job${at}`);
  for (const id of ids) await one.accept(id);
  await until("all are taken", () => one.taken.size + two.taken.size === ids.length);
  assert.equal([...one.taken, ...two.taken].sort(), ids, "none twice");
  assert.ok(two.taken.size > 0, "both have their part");
  for (const share of [one, two]) {
    for (const id of share.taken) {
      await share.store.finishJob(id, "completed", null, signal);
      share.jobs.ended(id);
    }
  }
  await until("the queue is empty", () => one.jobs.backlog === 0 && two.jobs.backlog === 0);
});

test("What a node that leaves holds is taken by another at once", async (context) => {
  const one = await openShare(context);
  await one.accept("job");
  await until("it is taken", () => one.taken.has("job"));
  const two = await openShare(context);
  await one.jobs.leave(WAIT_MS);
  assert.is(one.taken.size, 0);
  await until("another one has it", () => two.taken.has("job"));
});

test("What a node holds that shows no sign of life goes to another, and the node learns of it when it is back", async (context) => {
  const one = await openShare(context);
  await one.accept("job");
  await until("it is taken", () => one.taken.has("job"));
  const two = await openShare(context);
  const owner = [...(await two.store.claims.claimed(signal))];
  assert.ok(owner.includes("job job"));
  await one.store.close(); // it can neither work nor say that it lives; its queue goes on hearing of it
  await one.link?.link.close(1_000);
  await until("another one has it", () => two.taken.has("job"));
  assert.throws(() => one.jobs.assertValid(), /out of touch/);
});

test("A collection is changed by one node at a time, and one that waits for it has its turn", async (context) => {
  const [one, two] = [await openShare(context, false), await openShare(context, false)];
  const log: string[] = [];
  let release = () => {};
  const held = one.jobs.withCollection("docs", false, signal, async () => {
    log.push("one begins");
    await new Promise<void>((resolve) => {
      release = resolve;
    });
    log.push("one ends");
  });
  await until("one has it", () => log.length === 1);
  assert.is(await two.jobs.withCollection("docs", false, signal, async () => "never"), null, "a round does not wait");
  const waiting = two.jobs.withCollection("docs", true, signal, async () => void log.push("two"));
  release();
  await held;
  assert.is(await one.jobs.withCollection("docs", false, signal, async () => "never"), null, "it leaves it to the one that waits");
  await waiting;
  assert.equal(log, ["one begins", "one ends", "two"]);
  await until("it is free again", async () => (await one.jobs.withCollection("docs", false, signal, async () => "done")) === "done");
});

test("Without a queue a job stays with the node that has taken it in, and goes to another when that is gone", async (context) => {
  const [one, two] = [await openShare(context, false), await openShare(context, false)];
  await one.accept("job");
  assert.ok(one.taken.has("job"));
  await one.jobs.end();
  await until("another one has it", () => two.taken.has("job"));
});

test("A job that is open in the store and in no queue is found and handed out", async (context) => {
  const one = await openShare(context);
  await one.store.acceptDocuments("docs", "lost", [textDocument("one", "text")], {}, signal); // its node died before it said so
  await until("it is taken", () => one.taken.has("lost"));
});

test.run();
