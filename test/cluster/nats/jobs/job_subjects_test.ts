import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { encodeJob, parseJob, WORK_SUBJECTS, workSubject, worksOf } from "../../../../cluster/nats/jobs/job_subjects.ts";

const test = suite("subjects and messages of jobs");

test("What is written of a job is read again, and nothing else is", () => {
  const token = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/);
  fc.assert(fc.property(token, token, (id, collection) => assert.equal(parseJob(encodeJob({ id, collection })), { id, collection })));
  const odd = [
    "",
    "{",
    "null",
    "[]",
    "{}",
    '{"job":"a"}',
    '{"job":"a.b","collection":"c"}',
    '{"job":"a","collection":">"}',
    '{"job":1,"collection":"c"}',
  ];
  for (const text of odd) assert.is(parseJob(text), null, text);
  assert.is(parseJob(JSON.stringify({ job: "a", collection: "c", more: "x".repeat(2_000) })), null);
});

test("The request that has asked for a job goes with it; one that is odd is left out and costs the job nothing", () => {
  const origin = { traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01`, requestId: "req_1" };
  const job = { id: "job_1", collection: "docs" };
  assert.equal(parseJob(encodeJob({ ...job, origin })), { ...job, origin });
  assert.equal(parseJob(encodeJob({ ...job, origin: null })), job);
  for (const odd of [7, {}, { traceparent: "x", request_id: "r" }, { ...origin, request_id: "r".repeat(300) }])
    assert.equal(parseJob(JSON.stringify({ job: "job_1", collection: "docs", origin: odd })), job);
});

test("A cluster's consumer takes its own jobs, which are among those that the stream keeps, and no question", () => {
  const subject = workSubject("stores", "docs", "job_1");
  const isWithin = (one: string, wildcard: string) => one.startsWith(wildcard.slice(0, -1));
  assert.ok(isWithin(subject, worksOf("stores")) && isWithin(subject, WORK_SUBJECTS));
  assert.not(isWithin(subject, worksOf("other")));
  for (const asked of ["search.docs", "chat.docs", "ingest.docs", "ingest", "jobs.one"])
    assert.not(isWithin(`kennel.v1.${asked}`, WORK_SUBJECTS));
});

test.run();
