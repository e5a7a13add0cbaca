import { collectionSchema } from "../schema/collections.ts";
import { jobSchema, type WireJob } from "../schema/jobs.ts";
import { type Body, collectionPath } from "./client.ts";
import type { CommandContext } from "./context.ts";
import { type FoundDocument, findFiles, readDocuments } from "./documents_on_disk.ts";
import { type Progress, startProgress } from "./progress.ts";
import { CommandError, EXIT } from "./terminal.ts";

/** Well under what a server takes in one body (32 MiB, 10,000 documents), so that a bar moves and memory stays small. */
export const BATCH_BYTES = 4 * 1_024 * 1_024;
export const BATCH_DOCUMENTS = 1_000;
/** What a server takes that is not set otherwise. */
const BATCH_URLS = 16;
/** Jobs that the server has taken and not finished; more would only wait there. */
const MAX_OPEN_JOBS = 4;
const POLL_MS = 100;
const MAX_RETRIES = 20;
const MAX_SHOWN_FAILURES = 20;

export interface IngestOptions {
  readonly json: boolean;
}

/** Sends documents batch by batch and waits for their jobs. Fails when a document did. */
export async function ingest(
  context: CommandContext,
  collection: string,
  paths: readonly string[],
  options: IngestOptions,
): Promise<number> {
  const { clock, terminal } = context;
  const startedMs = clock.monotonicMs();
  const urls = paths.filter(isUrl);
  const files = urls.length === paths.length ? [] : await findFiles(paths.filter((path) => !isUrl(path)));
  await ensureCollection(context, collection);
  const jobs = new JobQueue(context, await startProgress(terminal, `Loading ${collection}`, "documents"));
  try {
    for await (const batch of batches(readDocuments(files, process.cwd()))) await jobs.add(batch, collection);
    for (let from = 0; from < urls.length; from += BATCH_URLS) await jobs.add(toUrlBatch(urls.slice(from, from + BATCH_URLS)), collection);
    await jobs.finish();
  } finally {
    jobs.progress.stop();
  }
  return report(context, collection, jobs.finished, clock.monotonicMs() - startedMs, options);
}

async function ensureCollection({ client, signal, terminal }: CommandContext, collection: string): Promise<void> {
  const path = collectionPath(collection);
  if ((await client.find(path, collectionSchema, signal)) !== null) return;
  await client.request("PUT", path, collectionSchema, { body: { kind: "json", value: {} }, signal });
  terminal.err(`Made the collection ${collection}`);
}

/** The jobs of one ingest: at most a few open, in the order they were accepted. */
export class JobQueue {
  readonly progress: Progress;
  readonly finished: WireJob[] = [];
  readonly #context: CommandContext;
  readonly #open: WireJob[] = [];
  #sent = 0;

  constructor(context: CommandContext, progress: Progress) {
    this.#context = context;
    this.progress = progress;
  }

  async add(batch: Batch, collection: string): Promise<void> {
    while (this.#open.length >= MAX_OPEN_JOBS) await this.#poll();
    const { client, signal } = this.#context;
    const path = `${collectionPath(collection)}/${batch.areUrls === true ? "urls" : "documents"}`;
    this.#open.push(await client.request("POST", path, jobSchema, { body: batch.body, maxRetries: MAX_RETRIES, signal }));
    this.#sent += batch.documents;
    this.#show();
  }

  async finish(): Promise<void> {
    while (this.#open.length > 0) await this.#poll();
  }

  /** Looks at the oldest job; the ones behind it wait for it. */
  async #poll(): Promise<void> {
    const { client, clock, signal } = this.#context;
    const oldest = this.#open[0] as WireJob;
    const job = await client.request("GET", `/v1/jobs/${encodeURIComponent(oldest.id)}`, jobSchema, { maxRetries: MAX_RETRIES, signal });
    if (job.status === "queued" || job.status === "running") {
      this.#open[0] = job;
      this.#show();
      await clock.sleep(POLL_MS, signal);
      return;
    }
    this.#open.shift();
    this.finished.push(job);
    this.#show();
  }

  #show(): void {
    this.progress.update(
      [...this.finished, ...this.#open].reduce((sum, job) => sum + doneIn(job), 0),
      this.#sent,
    );
  }
}

function doneIn({ counts }: WireJob): number {
  return counts.indexed + counts.unchanged + counts.skipped + counts.failed;
}

const isUrl = (path: string) => /^https?:\/\//i.test(path);

/** Fetched by the server, from hosts that it is allowed to ask. */
function toUrlBatch(urls: readonly string[]): Batch {
  return { documents: urls.length, areUrls: true, body: { kind: "json", value: { urls } } };
}

export interface Batch {
  readonly documents: number;
  /** The body names documents that the server is to fetch. @default false */
  readonly areUrls?: boolean;
  readonly body: Body;
}

/** Documents in bodies of bounded size; text goes as JSON lines, files as a form. A document that is larger goes alone. */
async function* batches(documents: AsyncIterable<FoundDocument>): AsyncGenerator<Batch> {
  const seen = new Set<string>();
  let batch: FoundDocument[] = [];
  let bytes = 0;
  for await (const document of documents) {
    if (seen.has(document.id))
      throw new CommandError(`Two documents have the id ${JSON.stringify(document.id)}; which one is meant?`, EXIT.failed);
    seen.add(document.id);
    const size = document.kind === "json" ? Buffer.byteLength(document.json) : document.bytes.length;
    const isFull =
      batch.length >= BATCH_DOCUMENTS || bytes + size > BATCH_BYTES || (batch[0] !== undefined && batch[0].kind !== document.kind);
    if (isFull && batch.length > 0) {
      yield toBatch(batch);
      batch = [];
      bytes = 0;
    }
    batch.push(document);
    bytes += size;
  }
  if (batch.length > 0) yield toBatch(batch);
}

function toBatch(documents: readonly FoundDocument[]): Batch {
  const lines: string[] = [];
  const form = new FormData();
  for (const document of documents) {
    if (document.kind === "json") lines.push(document.json);
    else form.append("files", new Blob([document.bytes], { type: document.mediaType }), document.id);
  }
  if (lines.length === 0) return { documents: documents.length, body: { kind: "form", form } };
  const bytes = Uint8Array.from(Buffer.from(lines.join("\n")));
  return { documents: documents.length, body: { kind: "bytes", mediaType: "application/x-ndjson", bytes } };
}

/** @returns the exit code: 1 where more documents failed than were known to, or a job did not complete */
export function report(
  { terminal }: CommandContext,
  collection: string,
  jobs: readonly WireJob[],
  durationMs: number,
  options: IngestOptions & { readonly expectedFailures?: number },
): number {
  const sum = (name: keyof WireJob["counts"]) => jobs.reduce((total, job) => total + job.counts[name], 0);
  const counts = {
    total: sum("total"),
    indexed: sum("indexed"),
    unchanged: sum("unchanged"),
    skipped: sum("skipped"),
    failed: sum("failed"),
    chunks: sum("chunks"),
  };
  const failures = jobs.flatMap((job) => job.failures);
  const unfinished = jobs.filter((job) => job.status !== "completed");
  const indexVersion = Math.max(0, ...jobs.map((job) => job.index_version ?? 0));
  if (options.json) {
    const summary = {
      collection,
      jobs: jobs.map((job) => job.id),
      counts,
      failures,
      index_version: indexVersion,
      duration_ms: Math.round(durationMs),
    };
    terminal.out(JSON.stringify(summary));
  } else {
    for (const failure of failures.slice(0, MAX_SHOWN_FAILURES)) terminal.err(`${failure.document_id}: ${failure.message}`);
    if (failures.length > MAX_SHOWN_FAILURES) terminal.err(`… and ${failures.length - MAX_SHOWN_FAILURES} more`);
    const parts = (["indexed", "unchanged", "skipped", "failed"] as const)
      .filter((name) => counts[name] > 0)
      .map((name) => `${counts[name]} ${name}`);
    const rate = Math.round((counts.total / Math.max(durationMs, 1)) * 1_000);
    terminal.out(
      `${counts.total} documents (${parts.join(", ") || "none new"}), ${counts.chunks} chunks, ${(durationMs / 1_000).toFixed(1)} s, ${rate} a second`,
    );
  }
  for (const job of unfinished) terminal.err(`Job ${job.id} is ${job.status}`);
  return counts.failed > (options.expectedFailures ?? 0) || unfinished.length > 0 ? EXIT.failed : 0;
}
