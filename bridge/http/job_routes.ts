import { kennelError } from "../../runtime/errors.ts";
import { fromJob, jobSchema } from "../schema/jobs.ts";
import { json } from "./answer.ts";
import type { DocumentIngest, DocumentReader } from "./collaborators.ts";
import { EXAMPLE_JOB, JOB_PARAMETER, jsonAnswer } from "./descriptions.ts";
import type { Exchange } from "./exchange.ts";
import type { BridgeLimits } from "./limits.ts";
import type { Route } from "./route.ts";

interface Parts {
  readonly documents: DocumentReader;
  readonly ingest: DocumentIngest;
  readonly limits: BridgeLimits;
}

const PATH = "/v1/jobs/{job}";

export function jobRoutes(parts: Parts): readonly Route[] {
  return [getJob(parts), cancelJob(parts)];
}

function getJob({ documents, limits }: Parts): Route {
  return {
    method: "GET",
    path: PATH,
    kind: "work",
    maxBodyBytes: 0,
    timeoutMs: limits.defaultTimeoutMs,
    description: {
      operationId: "getJob",
      summary: "Show how far a job has come",
      tag: "jobs",
      parameters: [JOB_PARAMETER],
      request: null,
      answers: { 200: jsonAnswer("The job", jobSchema, EXAMPLE_JOB) },
      errors: ["not_found"],
    },
    async handle(exchange) {
      const id = exchange.jobId();
      exchange.refuseQuery();
      return json(200, fromJob(await requireJob(documents, id, exchange)));
    },
  };
}

function cancelJob({ documents, ingest, limits }: Parts): Route {
  return {
    method: "DELETE",
    path: PATH,
    kind: "work",
    maxBodyBytes: 0,
    timeoutMs: limits.defaultTimeoutMs,
    description: {
      operationId: "cancelJob",
      summary: "Cancel a job that is queued or running; what it has indexed stays",
      tag: "jobs",
      parameters: [JOB_PARAMETER],
      request: null,
      answers: { 200: jsonAnswer("The job, cancelled", jobSchema, { ...EXAMPLE_JOB, status: "cancelled", index_version: null }) },
      errors: ["not_found", "conflict"],
    },
    async handle(exchange) {
      const id = exchange.jobId();
      exchange.refuseQuery();
      const { status } = await requireJob(documents, id, exchange);
      if (!(await ingest.cancel(id, exchange.signal))) {
        throw kennelError("conflict", { param: "job", message: `The job is ${status}; allowed: a job that is queued or running` });
      }
      return json(200, fromJob(await requireJob(documents, id, exchange)));
    },
  };
}

async function requireJob(documents: DocumentReader, id: string, exchange: Exchange) {
  const job = await documents.getJob(id, exchange.signal);
  if (job === null) throw kennelError("not_found", { message: `There is no job "${id}"`, param: "job" });
  return job;
}
