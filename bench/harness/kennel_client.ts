import type { BenchDocument } from "./corpus.ts";

/** The calls that benchmarks make of a node that listens on this machine. */
export interface KennelClient {
  readonly port: number;
  /** Rejects when the status is not one of 2xx. */
  call<Answer>(method: string, path: string, body?: unknown): Promise<Answer>;
  /** The status alone, whatever it is; 0: no answer came. */
  statusOf(method: string, path: string, body?: unknown): Promise<number>;
  /** Loads documents and waits until the jobs say that they can be found. */
  ingest(collection: string, documents: readonly BenchDocument[]): Promise<void>;
  /** Waits until a job has completed. Rejects when it ends otherwise. */
  completed(jobId: string): Promise<void>;
  /** Waits until memory answers for the collection. */
  resident(collection: string): Promise<void>;
  /** Value of a metric whose line starts with `series`. */
  metric(series: string): Promise<number>;
}

const DOCUMENTS_PER_REQUEST = 5_000;
const RESIDENT_LIMIT_MS = 300_000;
const JOB_LIMIT_MS = 1_800_000;

interface Job {
  readonly id: string;
  readonly status: string;
}

export function kennelClient(port: number): KennelClient {
  const base = `http://127.0.0.1:${port}`;
  const call = async <Answer>(method: string, path: string, body?: unknown): Promise<Answer> => {
    const response = await send(base, method, path, body);
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text.slice(0, 300)}`);
    return (text === "" ? null : JSON.parse(text)) as Answer;
  };
  const completed = async (jobId: string): Promise<void> => {
    const path = `/v1/jobs/${jobId}`;
    const limit = AbortSignal.timeout(JOB_LIMIT_MS);
    for (;;) {
      const response = await send(base, "GET", path, undefined);
      const text = await response.text();
      // A job outlives an outage of its stores.
      if (!response.ok && response.status !== 503) throw new Error(`GET ${path}: ${response.status} ${text.slice(0, 300)}`);
      const status = response.ok ? (JSON.parse(text) as Job).status : "running";
      if (status === "completed") return;
      if (status !== "queued" && status !== "running") throw new Error(`Job ${jobId} is ${status}`);
      if (limit.aborted) throw new Error(`Job ${jobId} has not ended: ${text.slice(0, 300)}`);
      await pause(20);
    }
  };
  return {
    port,
    call,
    completed,
    async statusOf(method, path, body) {
      try {
        const response = await send(base, method, path, body);
        await response.arrayBuffer();
        return response.status;
      } catch {
        return 0;
      }
    },
    async ingest(collection, documents) {
      const open: string[] = [];
      for (let start = 0; start < documents.length; start += DOCUMENTS_PER_REQUEST) {
        const body = { documents: documents.slice(start, start + DOCUMENTS_PER_REQUEST) };
        open.push((await call<Job>("POST", `/v1/collections/${collection}/documents`, body)).id);
      }
      for (const id of open) await completed(id);
    },
    async resident(collection) {
      const limit = AbortSignal.timeout(RESIDENT_LIMIT_MS);
      const path = `/v1/collections/${collection}/search`;
      const isResident = async () => {
        const answer = await send(base, "POST", path, { query: "warm" }, { "cache-control": "no-cache" });
        return (await answer.text()).includes('"index":"resident"');
      };
      while (!(await isResident())) {
        if (limit.aborted) throw new Error(`${collection} has not become resident`);
        await pause(50);
      }
    },
    async metric(series) {
      const text = await (await fetch(`${base}/metrics`)).text();
      const line = text.split("\n").find((each) => each.startsWith(series));
      return Number(line?.split(" ").at(-1) ?? Number.NaN);
    },
  };
}

function send(
  base: string,
  method: string,
  path: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  return fetch(`${base}${path}`, {
    method,
    headers: { "content-type": "application/json", "x-request-timeout-ms": "600000", ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

export function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
