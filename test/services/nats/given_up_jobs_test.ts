// Jobs from a real JetStream in an ingest actor: one that always fails is handed out again, given up and kept with the reason.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { IncomingDocument } from "../../../actors/ingest/accept.ts";
import { SharedJobs, type SharedJobsMetrics } from "../../../actors/ingest/sharing/shared_jobs.ts";
import type { LexicalIndex, VectorStore } from "../../../actors/vector_store/vector_store.ts";
import { JetStreamJobs } from "../../../cluster/nats/jobs/jetstream_jobs.ts";
import { DEAD_STREAM } from "../../../cluster/nats/jobs/job_streams.ts";
import { systemClock } from "../../../runtime/clock.ts";
import { kennelError } from "../../../runtime/errors.ts";
import { systemRandom } from "../../../runtime/random.ts";
import { createLogger } from "../../../telemetry/logs.ts";
import { SETTINGS } from "../../actors/document_store/documents.ts";
import { type IngestParts, openIngest, signal } from "../../actors/ingest/ingest_parts.ts";
import { type LinkRig, openLink, startServer, until, WAIT_MS } from "./nats_rig.ts";

const MAX_DELIVERIES = 2;

interface Rig {
  readonly parts: IngestParts;
  readonly link: LinkRig;
  readonly queue: JetStreamJobs;
  readonly counted: { redelivered: number; buried: number };
  /** What the vector store says to writes; null: it takes them. */
  failure: Error | null;
}

function failing(store: VectorStore & LexicalIndex, rig: Pick<Rig, "failure">): VectorStore & LexicalIndex {
  return new Proxy(store, {
    get(target, name) {
      const method = Reflect.get(target, name, target) as unknown;
      if (typeof method !== "function") return method;
      if (name !== "replaceDocuments") return method.bind(target);
      return async (...parameters: unknown[]) => {
        if (rig.failure !== null) throw rig.failure;
        return method.apply(target, parameters);
      };
    },
  });
}

const document = (id: string): IncomingDocument => ({
  id,
  title: "",
  url: "",
  attributes: {},
  principals: [],
  vector: null,
  source: { kind: "text", text: `about ${id}`, format: "text" },
});

/** An ingest actor on stores of its own, whose jobs go through JetStream. */
async function onIngest(journey: (rig: Rig) => Promise<void>): Promise<void> {
  const server = await startServer();
  const link = openLink([server]);
  await link.link.untilConnected(AbortSignal.timeout(WAIT_MS));
  const logger = createLogger({ level: "silent", node: "test" });
  const common = { clock: systemClock(), random: systemRandom(), logger };
  const queue = new JetStreamJobs({ ...common, link: link.link, stores: "stores", node: "a", maxJobs: 100, count: link.counts.add });
  const counted = { redelivered: 0, buried: 0 };
  const metrics: SharedJobsMetrics = { redelivered: () => void counted.redelivered++, buried: () => void counted.buried++ };
  const rig: { failure: Error | null } = { failure: null };
  const parts = await openIngest({
    wrapVectors: (store) => failing(store, rig),
    makeShared: (documents) =>
      new SharedJobs({ ...common, documents, queue, leaseMs: 10_000, maxDeliveries: MAX_DELIVERIES, maxParallel: 1, metrics }),
  });
  await parts.catalog.put("docs", SETTINGS, signal);
  try {
    await journey(Object.assign(rig, { parts, link, queue, counted }));
  } finally {
    await parts.close();
    queue.stop();
    await link.close();
    await server.stop();
  }
}

const test = suite("jobs that are given up");

test("A job goes through the queue and leaves it once the document store has its end", () =>
  onIngest(async ({ parts, queue, counted }) => {
    const job = await parts.ingest.accept("docs", [document("one"), document("two")], signal);
    const finished = await parts.finished(job.id);
    assert.equal([finished.status, finished.counts.indexed], ["completed", 2]);
    await until("the queue is empty", () => queue.backlog === 0);
    assert.equal(counted, { redelivered: 0, buried: 0 });
  }));

test("A job that fails each time is handed out again, then fails with the reason, and its id is kept with it", () =>
  onIngest(async (rig) => {
    const { parts, queue, link, counted } = rig;
    rig.failure = kennelError("internal", { message: "the rows make no sense" });
    const job = await parts.ingest.accept("docs", [document("one")], signal);
    const finished = await parts.finished(job.id);
    const reason = `it failed on each of ${MAX_DELIVERIES} deliveries, at last with internal: the rows make no sense`;
    assert.is(finished.status, "failed");
    assert.equal(finished.failures, [{ documentId: "one", message: `Its job was given up: ${reason}` }]);
    assert.equal(counted, { redelivered: MAX_DELIVERIES - 1, buried: 1 });
    await until("the queue is empty", () => queue.backlog === 0);
    const manager = await link.link.client?.jetstreamManager();
    const kept = await manager?.streams.getMessage(DEAD_STREAM, { last_by_subj: `kennel.v1.dead.ingest.stores.docs.${job.id}` });
    assert.is(kept?.header.get("Kennel-Reason"), reason);
    rig.failure = null;
    const next = await parts.ingest.accept("docs", [document("one")], signal);
    assert.is((await parts.finished(next.id)).counts.indexed, 1, "what comes after it goes on");
  }));

test("An outage gives no job up: it waits where it is, and goes on", () =>
  onIngest(async (rig) => {
    const { parts, counted } = rig;
    rig.failure = kennelError("unavailable", { message: "the store is away" });
    const job = await parts.ingest.accept("docs", [document("one")], signal);
    await until("it was tried", async () => (await parts.documents.getJob(job.id, signal))?.status === "running");
    for (let tries = 0; tries < 8; tries++) await parts.clock.advance(30_000);
    assert.is((await parts.documents.getJob(job.id, signal))?.status, "running");
    rig.failure = null;
    assert.is((await parts.finished(job.id)).status, "completed");
    assert.is(counted.buried, 0);
  }));

test("A job that JetStream cannot take is worked off by the node that has taken it in", () =>
  onIngest(async ({ parts, link, queue }) => {
    await link.link.close(1_000);
    const job = await parts.ingest.accept("docs", [document("one")], signal);
    assert.is((await parts.finished(job.id)).status, "completed");
    assert.is(queue.backlog, null);
  }));

test.run();
