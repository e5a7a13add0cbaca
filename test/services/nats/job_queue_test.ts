// The queue of ingest jobs on a real JetStream: handing out, redelivery, dead letters, and what it does when it may not or cannot.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Delivery } from "../../../actors/ingest/sharing/job_queue.ts";
import { capturedSubjects } from "../../../bridge/nats/captured_subjects.ts";
import { JetStreamJobs } from "../../../cluster/nats/jobs/jetstream_jobs.ts";
import { DEAD_STREAM, WORK_STREAM } from "../../../cluster/nats/jobs/job_streams.ts";
import { progressSubject, workSubject } from "../../../cluster/nats/jobs/job_subjects.ts";
import { systemClock } from "../../../runtime/clock.ts";
import { createLogger } from "../../../telemetry/logs.ts";
import type { NatsServer } from "../../../tooling/servers/nats.ts";
import type { NatsLinkOptions } from "../../../transport/nats/link.ts";
import { type Counts, type LinkRig, openLink, startServer, until, WAIT_MS } from "./nats_rig.ts";

interface QueueRig extends LinkRig {
  readonly queue: JetStreamJobs;
  readonly counts: Counts;
}

interface QueueState {
  readonly state: string;
  readonly cause: string | null;
  readonly pending: number | null;
  readonly in_flight: number | null;
}

const STORES = "stores";
const NEXT_MS = 2_000;
const never = new AbortController().signal;
const job = (id: string) => ({ id, collection: "docs" });
const stateOf = (queue: JetStreamJobs) => queue.describe() as QueueState;

async function openQueue(
  server: NatsServer,
  { maxJobs = 100, ...differs }: Partial<NatsLinkOptions> & { readonly maxJobs?: number } = {},
): Promise<QueueRig> {
  const rig = openLink([server], differs);
  const logger = createLogger({ level: "silent", node: "test" });
  const queue = new JetStreamJobs({
    link: rig.link,
    stores: STORES,
    node: "a",
    maxJobs,
    clock: systemClock(),
    logger,
    count: rig.counts.add,
  });
  await rig.link.untilConnected(AbortSignal.timeout(WAIT_MS));
  return {
    ...rig,
    queue,
    async close() {
      queue.stop();
      await rig.close();
    },
  };
}

/** The next job, however long this machine takes to hand it over. */
async function nextOf({ queue }: QueueRig): Promise<Delivery> {
  for (const limit = AbortSignal.timeout(WAIT_MS); !limit.aborted; ) {
    const delivery = await queue.next(NEXT_MS, never);
    if (delivery !== null) return delivery;
  }
  throw new Error("no job came");
}

async function onQueue(
  options: Parameters<typeof openQueue>[1],
  configuration: string,
  journey: (rig: QueueRig, server: NatsServer) => Promise<void>,
) {
  const server = await startServer({ configuration });
  try {
    const rig = await openQueue(server, options);
    try {
      await journey(rig, server);
    } finally {
      await rig.close();
    }
  } finally {
    await server.stop();
  }
}

const test = suite("queue of jobs in JetStream");

test("A job is in the queue once, is handed to one node, and leaves it when it is done", () =>
  onQueue({}, "", async (rig, server) => {
    const other = await openQueue(server);
    assert.ok(await rig.queue.put(job("one")));
    assert.ok(await other.queue.put(job("one")), "it is there already");
    const delivery = await nextOf(rig);
    assert.equal(delivery.job, job("one"));
    assert.is(delivery.deliveries, 1);
    assert.is(await other.queue.next(1_000, never), null, "it is in one node's hands");
    assert.ok(await other.queue.put(job("one")), "and still there");
    await until("it is known to be in flight", () => stateOf(rig.queue).in_flight === 1 && stateOf(rig.queue).pending === 0);
    delivery.done();
    await until("the queue is empty", () => stateOf(rig.queue).in_flight === 0 && rig.queue.backlog === 0);
    await other.close();
  }));

test("A job that is given back comes again, after its delay, and says how often it was handed out", () =>
  onQueue({}, "", async (rig) => {
    await rig.queue.put(job("one"));
    const first = await nextOf(rig);
    const givenBackMs = performance.now();
    first.retry(700);
    const second = await nextOf(rig);
    assert.is(second.deliveries, 2);
    assert.ok(performance.now() - givenBackMs >= 690, "not before its delay");
    second.done();
  }));

test("A job of a node that has gone is handed to another one", () =>
  onQueue({}, "", async (rig, server) => {
    const gone = await openQueue(server);
    await rig.queue.put(job("one"));
    await nextOf(gone);
    await gone.close();
    const again = await nextOf(rig);
    assert.equal([again.job, again.deliveries], [job("one"), 2]);
    again.done();
  }));

test("A job that is given up is kept with the reason, its deliveries and the node, on one line", () =>
  onQueue({}, "", async (rig) => {
    await rig.queue.put(job("one"));
    const delivery = await nextOf(rig);
    assert.ok(await rig.queue.bury(delivery, "it failed:\nno such thing"));
    assert.ok(await rig.queue.bury(delivery, "it failed again"), "once is enough");
    delivery.done();
    const manager = await rig.link.client?.jetstreamManager();
    const info = await manager?.streams.info(DEAD_STREAM);
    assert.is(info?.state.messages, 1);
    const kept = await manager?.streams.getMessage(DEAD_STREAM, { seq: 1 });
    assert.is(kept?.subject, `kennel.v1.dead.ingest.${STORES}.docs.one`);
    assert.is(kept?.header.get("Kennel-Reason"), "it failed: no such thing");
    assert.equal([kept?.header.get("Kennel-Deliveries"), kept?.header.get("Kennel-Node")], ["1", "a"]);
    assert.equal(kept?.json(), { job: "one", collection: "docs" });
  }));

test("A full stream takes no job, says so, and takes jobs again once there is room", () =>
  onQueue({ maxJobs: 2 }, "", async (rig) => {
    for (const id of ["one", "two"]) assert.ok(await rig.queue.put(job(id)));
    assert.is(await rig.queue.put(job("three")), false);
    assert.equal([stateOf(rig.queue).cause, rig.counts.of("job_queue_full"), rig.queue.backlog], ["full", 1, null]);
    assert.ok(await rig.queue.put(job("two")), "one that is in it is no more");
    (await nextOf(rig)).done();
    await until("there is room", () => rig.queue.put(job("three")));
    assert.is(stateOf(rig.queue).cause, null);
  }));

test("A JetStream without room for a message takes no job, and says so", () =>
  onQueue({}, "", async (rig) => {
    assert.ok(await rig.queue.put(job("one")));
    const manager = await rig.link.client?.jetstreamManager();
    await manager?.streams.update(WORK_STREAM, { max_bytes: 300 });
    let put = 0;
    await until("nothing more fits", async () => !(await rig.queue.put(job(`more${put++}`))));
    assert.is(stateOf(rig.queue).cause, "full");
  }));

test("Streams that are deleted under running nodes are made again, and jobs are taken and handed out as before", () =>
  onQueue({}, "", async (rig) => {
    await rig.queue.put(job("one"));
    const manager = await rig.link.client?.jetstreamManager();
    (await nextOf(rig)).done();
    const waiting = nextOf(rig);
    await manager?.streams.delete(WORK_STREAM);
    await until("a job is taken again", () => rig.queue.put(job("two")));
    const second = await waiting;
    assert.equal(second.job, job("two"));
    second.done();
    assert.ok(rig.counts.of("job_queue_made") >= 2);
  }));

test("A consumer that is deleted under a running node is made again", () =>
  onQueue({}, "", async (rig) => {
    await rig.queue.put(job("one"));
    (await nextOf(rig)).done();
    const manager = await rig.link.client?.jetstreamManager();
    const waiting = nextOf(rig);
    await manager?.consumers.delete(WORK_STREAM, `kennel-${STORES}`);
    await rig.queue.put(job("two"));
    const second = await waiting;
    assert.equal(second.job, job("two"));
    second.done();
  }));

test("A user that may not publish jobs is told by the status, the counter and the answer", () =>
  onQueue(
    { credentials: { kind: "user", user: "node", password: "word" } },
    'authorization { users: [ { user: node, password: word, permissions: { publish: { deny: ["kennel.v1.work.>"] } } } ] }',
    async (rig) => {
      assert.is(await rig.queue.put(job("one")), false);
      assert.is(stateOf(rig.queue).cause, "permission_denied");
      assert.ok(rig.counts.of("job_queue_permission_denied") >= 1);
    },
  ));

test("A user that may not ask JetStream gets no queue, and a node without JetStream neither", async () => {
  await onQueue(
    { credentials: { kind: "user", user: "node", password: "word" } },
    'authorization { users: [ { user: node, password: word, permissions: { publish: { deny: ["$JS.API.>"] } } } ] }',
    async (rig) => {
      assert.is(await rig.queue.put(job("one")), false);
      assert.is(stateOf(rig.queue).cause, "permission_denied");
    },
  );
  const away = await startServer();
  const rig = await openQueue(away);
  await away.stop();
  await until("the node is cut off", () => !rig.link.isConnected);
  assert.is(await rig.queue.put(job("one")), false);
  assert.is(rig.queue.backlog, null);
  await rig.close();
});

test("What names no job is dropped, and counted", () =>
  onQueue({}, "", async (rig) => {
    await rig.queue.put(job("one"));
    (await nextOf(rig)).done();
    await rig.link.client?.jetstream().publish(workSubject(STORES, "docs", "odd"), "{nonsense");
    assert.is(await rig.queue.next(NEXT_MS, never), null);
    assert.is(rig.counts.of("malformed_job"), 1);
    await until("it is gone", () => rig.queue.backlog === 0);
  }));

test("The streams capture no subject of a question, and a job's progress can be listened to", () =>
  onQueue({}, "", async (rig) => {
    await rig.queue.put(job("one"));
    const { client } = rig.link;
    if (client === null) throw new Error("not connected");
    const questions = ["search", "search.*", "chat", "chat.*", "ingest", "ingest.*", "jobs.*", "status", "schema", "node.>", "events.>"];
    assert.equal(
      await capturedSubjects(
        client,
        questions.map((subject) => `kennel.v1.${subject}`),
      ),
      [],
    );
    const heard = client.subscribe(progressSubject("docs", "*"), { max: 1 });
    await client.flush();
    const counts = { total: 3, indexed: 1, unchanged: 0, skipped: 0, failed: 0, chunks: 1 };
    const record = { id: "one", collection: "docs", kind: "ingest", status: "running", counts, failures: [], indexVersion: null, outcome: null, createdAtMs: 0, startedAtMs: 0, finishedAtMs: null } as const; // biome-ignore format: one thought
    rig.queue.tell(record);
    for await (const message of heard) {
      assert.is(message.subject, "kennel.v1.events.ingest.docs.one");
      assert.equal(message.json(), { job: "one", collection: "docs", kind: "ingest", status: "running", counts, node: "a" });
    }
  }));

test.run();
