import type { Clock } from "../../../runtime/clock.ts";
import { toKennelError } from "../../../runtime/errors.ts";
import { createWorkerPool, type WorkerPool } from "../../../runtime/worker_pool.ts";
import type { Chunking } from "../../document_store/collection_record.ts";
import type { ChunkedDocument, ParsedDocument, SourceDocument } from "../../document_store/document_record.ts";
import type { EmbeddingModel } from "../../embedding/embedding.ts";
import type { ParseLimits } from "../parsing/parsed_text.ts";
import type { PrepareAnswer, PrepareTask, PrepareThreadData } from "./prepare_thread.ts";

/** A document ready for the stores: a vector for each of its chunks, null where the model knows no word of it. */
export interface PreparedDocument {
  readonly source: Omit<SourceDocument, "source">;
  readonly parsed: ParsedDocument;
  readonly vectors: readonly (Float32Array | null)[];
}

export interface PreparerOptions {
  readonly limits: ParseLimits;
  readonly maxThreads: number;
  /** For one document; one beyond it fails alone. */
  readonly parseTimeoutMs: number;
  /**
   * Name of the model that the threads run themselves; of any other, vectors are asked of the model given with a batch.
   * Null: they run none.
   */
  readonly modelInThreads: string | null;
  readonly clock: Clock;
}

export interface Preparer {
  /** Parses, chunks and embeds, in order. Rejects with `cancelled`, or what the embedding model rejects with. */
  prepare(
    documents: readonly SourceDocument[],
    chunking: Chunking,
    model: EmbeddingModel,
    signal: AbortSignal,
  ): Promise<readonly PreparedDocument[]>;
  /** Embeds chunks that were cut before, in order. Rejects as `prepare` does. */
  embed(documents: readonly ChunkedDocument[], model: EmbeddingModel, signal: AbortSignal): Promise<readonly PreparedDocument[]>;
  /** Starts the threads ahead of the first document. */
  warm(): Promise<void>;
  close(): Promise<void>;
}

/** Sources above this size, and all files, get a task of their own. */
const MAX_SHARED_CHARACTERS = 65_536;

export function createPreparer(options: PreparerOptions): Preparer {
  const data: PrepareThreadData = { limits: options.limits, embeds: options.modelInThreads !== null };
  const pool: WorkerPool<PrepareTask, PrepareAnswer> = createWorkerPool({
    name: "parser",
    entry: new URL("./prepare_thread.ts", import.meta.url),
    data,
    maxThreads: options.maxThreads,
    maxQueue: 10_000,
    whenLate: "terminate",
    clock: options.clock,
  });
  return {
    async prepare(documents, chunking, model, signal) {
      const groups = groupBySize(documents);
      const answers = await Promise.all(
        groups.map((group) => prepareGroup(pool, options, { kind: "parse", documents: group, chunking }, signal)),
      );
      const sources = groups.flat();
      const prepared: PreparedDocument[] = [];
      for (const [place, answer] of answers.flat().entries()) {
        const source = sources[place];
        if (source !== undefined) prepared.push(withVectors(source, answer, options.modelInThreads === model.name));
      }
      const complete = options.modelInThreads === model.name ? prepared : await embedPrepared(prepared, model, signal);
      const byId = new Map(complete.map((document) => [document.source.id, document]));
      return documents.map((document) => byId.get(document.id)).filter((document) => document !== undefined);
    },
    async embed(documents, model, signal) {
      const isInThreads = options.modelInThreads === model.name;
      const answers = isInThreads
        ? await embedInThreads(pool, options, documents, signal)
        : documents.map(({ parsed }) => unembedded(parsed));
      const prepared = documents.map((document, place) =>
        withVectors(document, answers[place] ?? unembedded(document.parsed), isInThreads),
      );
      return isInThreads ? prepared : embedPrepared(prepared, model, signal);
    },
    warm: () => pool.warm(),
    close: () => pool.close(),
  };
}

interface OneAnswer {
  readonly parsed: ParsedDocument;
  readonly vectors: readonly (Float32Array | null)[];
}

/** Small texts together, everything that can be large or hostile alone. */
function groupBySize(documents: readonly SourceDocument[]): SourceDocument[][] {
  const small: SourceDocument[] = [];
  const alone: SourceDocument[][] = [];
  for (const document of documents) {
    const isSmall = document.source.kind === "text" && document.source.text.length <= MAX_SHARED_CHARACTERS;
    if (isSmall) small.push(document);
    else alone.push([document]);
  }
  return small.length > 0 ? [small, ...alone] : alone;
}

/** When a group takes too long or breaks its thread, its documents are tried one by one, so that only the culprit fails. */
async function prepareGroup(
  pool: WorkerPool<PrepareTask, PrepareAnswer>,
  options: PreparerOptions,
  task: Extract<PrepareTask, { readonly kind: "parse" }>,
  signal: AbortSignal,
): Promise<OneAnswer[]> {
  try {
    return unpack(await pool.run(task, { timeoutMs: options.parseTimeoutMs, signal }));
  } catch (thrown) {
    const error = toKennelError(thrown);
    if (error.code !== "deadline_exceeded" && error.code !== "unavailable") throw error;
    const [only, ...others] = task.documents;
    if (only === undefined) return [];
    if (others.length === 0) {
      const isLate = error.code === "deadline_exceeded";
      const failure = isLate
        ? `Reading it took longer than ${options.parseTimeoutMs} ms`
        : "Reading it broke off: it needs too much memory";
      return [{ parsed: failed(only, failure), vectors: [] }];
    }
    const answers: OneAnswer[] = [];
    for (const document of task.documents) {
      answers.push(...(await prepareGroup(pool, options, { ...task, documents: [document] }, signal)));
    }
    return answers;
  }
}

function failed({ id, contentHash, title }: SourceDocument, failure: string): ParsedDocument {
  return { id, contentHash, title, text: "", chunks: [], parents: [], failure };
}

function unpack(answer: PrepareAnswer): OneAnswer[] {
  const { vectors, dimensions, hasVector } = answer;
  let at = 0;
  return answer.documents.map((parsed) => {
    const own = parsed.chunks.map(() => {
      const place = at++;
      return vectors !== null && hasVector[place] === 1 ? vectors.subarray(place * dimensions, (place + 1) * dimensions) : null;
    });
    return { parsed, vectors: own };
  });
}

function unembedded(parsed: ParsedDocument): OneAnswer {
  return { parsed, vectors: parsed.chunks.map(() => null) };
}

/** One task: what was cut before is of bounded size. */
async function embedInThreads(
  pool: WorkerPool<PrepareTask, PrepareAnswer>,
  options: PreparerOptions,
  documents: readonly ChunkedDocument[],
  signal: AbortSignal,
): Promise<OneAnswer[]> {
  const texts = documents.flatMap(({ parsed }) => parsed.chunks.map((chunk) => chunk.indexText));
  const answer = await pool.run({ kind: "embed", texts }, { timeoutMs: options.parseTimeoutMs, signal });
  return unpack({ ...answer, documents: documents.map(({ parsed }) => parsed) });
}

/** A document's own vector stands for its first passage; a copy on each would bring the same hit up many times. */
function withVectors(source: Omit<SourceDocument, "source">, { parsed, vectors }: OneAnswer, areFinal: boolean): PreparedDocument {
  if (source.vector !== null)
    return { source, parsed, vectors: parsed.chunks.map((_chunk, place) => (place === 0 ? source.vector : null)) };
  return { source, parsed, vectors: areFinal ? vectors : parsed.chunks.map(() => null) };
}

async function embedPrepared(
  prepared: readonly PreparedDocument[],
  model: EmbeddingModel,
  signal: AbortSignal,
): Promise<PreparedDocument[]> {
  const texts = prepared
    .filter(({ source }) => source.vector === null)
    .flatMap(({ parsed }) => parsed.chunks.map((chunk) => chunk.indexText));
  const vectors: (Float32Array | null)[] = [];
  for (let from = 0; from < texts.length; from += model.maxBatch) {
    vectors.push(...(await model.embed(texts.slice(from, from + model.maxBatch), "document", signal)));
  }
  let at = 0;
  return prepared.map((document) => {
    if (document.source.vector !== null) return document;
    const own = vectors.slice(at, at + document.parsed.chunks.length);
    at += document.parsed.chunks.length;
    return { ...document, vectors: own };
  });
}
