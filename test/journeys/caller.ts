import * as assert from "uvu/assert";
import type { SearchAnswer } from "../../actors/retriever/search.ts";
import type { WireCollection } from "../../bridge/schema/collections.ts";
import type { WireError } from "../../bridge/schema/errors.ts";
import type { WireJob } from "../../bridge/schema/jobs.ts";

const POLL_MS = 10;
const POLL_LIMIT_MS = 60_000;

export interface Reply<Body> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Body;
}

/** What a search body may hold; the server checks it. */
type SearchBody = Readonly<Record<string, unknown>>;

/** An application that speaks HTTP to a node. */
export class Caller {
  readonly url: string;

  constructor(url: string) {
    this.url = url;
  }

  /** Sends `body` as JSON unless it is a form or text with a type of its own. The caller says what the answer is. */
  async send<Body>(method: string, path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Reply<Body>> {
    const isPlain = body instanceof FormData || typeof body === "string";
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: { ...(body === undefined || isPlain ? {} : { "content-type": "application/json" }), ...headers },
      ...(body === undefined ? {} : { body: isPlain ? body : JSON.stringify(body) }),
    });
    return { status: response.status, headers: response.headers, body: (await response.json()) as Body };
  }

  /** As `send`, for what must succeed. */
  async must<Body>(method: string, path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Body> {
    const reply = await this.send<Body>(method, path, body, headers);
    assert.ok(reply.status < 300, `${method} ${path} answered ${reply.status}: ${JSON.stringify(reply.body)}`);
    return reply.body;
  }

  /** As `send`, for what must be refused with this code. */
  async refused(code: string, method: string, path: string, body?: unknown): Promise<WireError["error"]> {
    const { body: answer } = await this.send<WireError>(method, path, body);
    assert.is(answer.error?.code, code, `${method} ${path} answered ${JSON.stringify(answer)}`);
    return answer.error;
  }

  makeCollection(name: string, settings: object = {}): Promise<WireCollection> {
    return this.must("PUT", `/v1/collections/${name}`, settings);
  }

  collection(name: string): Promise<WireCollection> {
    return this.must("GET", `/v1/collections/${name}`);
  }

  /** Posts documents and waits until their job has ended. */
  async addDocuments(collection: string, documents: readonly object[]): Promise<WireJob> {
    return this.jobEnded(await this.must<WireJob>("POST", `/v1/collections/${collection}/documents`, { documents }));
  }

  async jobEnded(job: WireJob): Promise<WireJob> {
    let now = job;
    await until(`job ${job.id} has ended`, async () => {
      now = await this.must<WireJob>("GET", `/v1/jobs/${job.id}`);
      return now.status !== "queued" && now.status !== "running";
    });
    return now;
  }

  search(collection: string, body: SearchBody): Promise<SearchAnswer> {
    return this.must("POST", `/v1/collections/${collection}/search`, body);
  }

  /** Ids of the documents found, best first, each once. */
  async found(collection: string, body: SearchBody): Promise<string[]> {
    return documentsOf(await this.search(collection, body));
  }
}

function documentsOf(answer: SearchAnswer): string[] {
  return [...new Set(answer.data.map((hit) => hit.document_id))];
}

/** Waits for a condition, looking again and again. Rejects when it has not come about within half a minute. */
export async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const limit = AbortSignal.timeout(POLL_LIMIT_MS);
  while (!(await isSo())) {
    if (limit.aborted) throw new Error(`Waited ${POLL_LIMIT_MS} ms in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
