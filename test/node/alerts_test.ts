import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Alerts } from "../../actors/alerts/alerts.ts";
import { tellFailedJobs } from "../../node/alerts.ts";
import { createMetrics } from "../../telemetry/metrics.ts";
import { Redaction } from "../../telemetry/redaction.ts";
import { manualClock } from "../support/manual_clock.ts";

const test = suite("a node's alerts");

test("A job that has failed for good is told of by its id, and counted; others are counted alone", async () => {
  const clock = manualClock();
  const metrics = createMetrics({ version: "1", runtime: "test", maxCollections: 1, maxActors: 1, maxKeys: 1 });
  const alerts = new Alerts({
    node: "n",
    clock,
    redaction: new Redaction([]),
    bytesAboveHighWater: () => 0,
    memoryCheckMs: 1_000,
    toldBy: "",
    count: metrics.alerts.raised,
  });
  const told: string[] = [];
  alerts.listen(({ kind, subject }) => told.push(`${kind} ${subject}`));
  const ingest = tellFailedJobs(metrics.ingest, alerts);
  ingest.jobFinished({ id: "job_1", status: "completed" }, 5);
  ingest.jobFinished({ id: "job_2", status: "failed" }, 5);
  assert.equal(told, ["ingest_failed job job_2"]);
  const text = await metrics.render();
  for (const status of ["completed", "failed"]) assert.match(text, `kennel_ingest_jobs_total{status="${status}"} 1`);
});

test.run();
