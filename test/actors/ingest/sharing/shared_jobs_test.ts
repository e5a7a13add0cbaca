import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { JobRecord } from "../../../../actors/document_store/job_record.ts";
import { soleClaims } from "../../../../actors/document_store/work_claims.ts";
import type { Delivery, JobQueue } from "../../../../actors/ingest/sharing/job_queue.ts";
import { type JobTaker, SharedJobs } from "../../../../actors/ingest/sharing/shared_jobs.ts";
import { seededRandom } from "../../../../runtime/random.ts";
import { createLogger } from "../../../../telemetry/logs.ts";
import { manualClock } from "../../../support/manual_clock.ts";

const test = suite("a node's share of the jobs");

/** A node whose queue hands out what a test puts into `deliveries`, and whose store answers when `reads` does. */
function rigOf() {
  const clock = manualClock();
  const deliveries: Delivery[] = [];
  const taken: string[] = [];
  const rig = { reads: Promise.resolve(), retried: 0 };
  const queue: JobQueue = {
    put: async () => true,
    async next(waitMs, signal) {
      const next = deliveries.shift() ?? null;
      if (next === null) await clock.sleep(waitMs, signal).catch(() => {});
      return next;
    },
    bury: async () => true,
    tell: () => {},
    backlog: 0,
    describe: () => ({}),
  };
  const documents = {
    claims: soleClaims(),
    openJobs: async () => [],
    async getJob(id: string) {
      await rig.reads;
      return { id, finishedAtMs: null } as JobRecord;
    },
  };
  const jobs = new SharedJobs({
    documents,
    queue,
    leaseMs: 10_000,
    maxDeliveries: 5,
    maxParallel: 1,
    clock,
    random: seededRandom(1),
    logger: createLogger({ level: "silent", node: "test" }),
    metrics: { redelivered: () => {}, buried: () => {} },
  });
  const taker: JobTaker = {
    take: ({ id }) => taken.push(id) > 0,
    handBack() {
      for (const id of taken.splice(0)) jobs.givenBack(id);
    },
  };
  const give = (id: string) => {
    deliveries.push({ job: { id, collection: "docs" }, deliveries: 1, working: () => {}, done: () => {}, retry: () => void rig.retried++ });
  };
  return { rig, clock, jobs, taker, taken, give };
}

test("A job that is being claimed while its node leaves is given back, and the node waits for nothing more", async () => {
  const { rig, clock, jobs, taker, taken, give } = rigOf();
  const gate = Promise.withResolvers<void>();
  rig.reads = gate.promise;
  give("a");
  jobs.begin(taker);
  await clock.flush();
  const left = jobs.leave(10_000);
  gate.resolve();
  await left;
  assert.equal(taken, []);
  assert.is(rig.retried, 1);
  await jobs.end();
});

test("An ingest actor that begins anew while its node leaves takes no job", async () => {
  const { clock, jobs, taker, taken, give } = rigOf();
  jobs.begin(taker);
  await jobs.leave(10_000);
  jobs.begin(taker);
  give("a");
  await clock.advance(20_000);
  assert.equal(taken, []);
  await jobs.end();
  assert.is(clock.pendingTimers, 0);
});

test.run();
