import { ErrorCode, NatsError } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { JobRecord } from "../../../../actors/document_store/job_record.ts";
import { JetStreamJobs } from "../../../../cluster/nats/jobs/jetstream_jobs.ts";
import { createLogger } from "../../../../telemetry/logs.ts";
import type { NatsLink } from "../../../../transport/nats/link.ts";
import { manualClock } from "../../../support/manual_clock.ts";

const test = suite("the queue of jobs in JetStream");

/** A connection on which nothing of JetStream can be made, which a real server does not do on demand. */
function fullLink(isConnected: boolean) {
  const asked = { times: 0, connect: () => {} };
  const client = {
    async jetstreamManager() {
      asked.times += 1;
      const error = new NatsError("insufficient storage resources available", ErrorCode.JetStream404NoMessages);
      error.api_error = { code: 500, err_code: 10_047, description: "insufficient storage resources available" };
      throw error;
    },
  };
  const attach = ({ onConnected }: { onConnected: () => void }) => {
    asked.connect = onConnected;
    return () => {};
  };
  return { asked, link: { isConnected, client, state: { kind: "connected" }, attach } as unknown as NatsLink };
}

function openJobs(link: NatsLink, count: (event: string) => void = () => {}) {
  const clock = manualClock();
  const logger = createLogger({ level: "silent", node: "test" });
  return { clock, jobs: new JetStreamJobs({ link, stores: "s", node: "n", maxJobs: 10, clock, logger, count }) };
}

test("Streams that could not be made for want of room are tried again with the next job", async () => {
  const { asked, link } = fullLink(false);
  const { jobs } = openJobs(link);
  for (const times of [1, 2, 3]) {
    assert.is(await jobs.put({ id: `j${times}`, collection: "docs" }), false);
    assert.is(asked.times, times);
  }
  jobs.stop();
});

test("Connections that come while figures are read leave one reading that goes on, and none after the stop", async () => {
  const { asked, link } = fullLink(true);
  const { clock, jobs } = openJobs(link);
  for (let times = 0; times < 3; times++) asked.connect();
  await clock.flush();
  assert.is(clock.pendingTimers, 1);
  jobs.stop();
  assert.is(clock.pendingTimers, 0);
});

test("Progress that the client refuses to send is counted, and costs the job nothing", () => {
  const client = {
    publish() {
      throw new NatsError("closed", ErrorCode.ConnectionClosed);
    },
  };
  const counted: string[] = [];
  const link = { isConnected: false, client, attach: () => () => {} } as unknown as NatsLink;
  const { jobs } = openJobs(link, (event) => counted.push(event));
  jobs.tell({ id: "j", collection: "docs", kind: "documents", status: "running", counts: {} } as unknown as JobRecord);
  assert.equal(counted, ["job_progress_lost"]);
  jobs.stop();
});

test.run();
