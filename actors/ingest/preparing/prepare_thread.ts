import { lowerThreadPriority } from "../../../runtime/thread_priority.ts";
import { serveTasks } from "../../../runtime/worker_thread.ts";
import type { Chunking } from "../../document_store/collection_record.ts";
import type { ParsedDocument, SourceDocument } from "../../document_store/document_record.ts";
import { loadStaticModel, loadStaticTokenizer, type StaticModel } from "../../embedding/static/static_model.ts";
import { chunkDocument } from "../chunking/chunking.ts";
import type { CountTokens } from "../chunking/units.ts";
import { parseDocument } from "../parsing/parse.ts";
import { ParseFailure, type ParseLimits } from "../parsing/parsed_text.ts";

export interface PrepareThreadData {
  readonly limits: ParseLimits;
  /** The thread embeds with the built-in model; else it only counts tokens with its vocabulary. */
  readonly embeds: boolean;
}

export type PrepareTask =
  | { readonly kind: "parse"; readonly documents: readonly SourceDocument[]; readonly chunking: Chunking }
  /** Chunks' texts that were cut before; the answer holds their vectors and no documents. */
  | { readonly kind: "embed"; readonly texts: readonly string[] };

/** Documents in the order of the task; `vectors` holds those of all chunks one after the other. */
export interface PrepareAnswer {
  readonly documents: readonly ParsedDocument[];
  /** Null: the thread does not embed. */
  readonly vectors: Float32Array | null;
  /** 1 for each chunk that has a vector. */
  readonly hasVector: Uint8Array;
  readonly dimensions: number;
}

const MAX_CHARACTERS_PER_TOKEN = 12;

/** Entry of the threads that parse, chunk and, with the built-in model, embed: a document crosses between threads once each way. */
await serveTasks(async (data: PrepareThreadData) => {
  lowerThreadPriority();
  const model = data.embeds ? await loadStaticModel() : null;
  const tokenizer = model?.tokenizer ?? (await loadStaticTokenizer());
  // The vocabulary calls a word of any length that it does not know one token; its length bounds the chunk all the same.
  const countTokens = (text: string) => Math.max(tokenizer.countTokens(text), Math.ceil(text.length / MAX_CHARACTERS_PER_TOKEN));
  return {
    async handle(task: PrepareTask) {
      if (task.kind === "embed") return withTransfer(embedAll([], task.texts, model));
      const documents: ParsedDocument[] = [];
      for (const document of task.documents) documents.push(await prepareDocument(document, task.chunking, data.limits, countTokens));
      const texts = documents.flatMap((document) => document.chunks.map((chunk) => chunk.indexText));
      return withTransfer(embedAll(documents, texts, model));
    },
    close() {},
  };
});

async function prepareDocument(
  document: SourceDocument,
  chunking: Chunking,
  limits: ParseLimits,
  countTokens: CountTokens,
): Promise<ParsedDocument> {
  const { id, contentHash, source } = document;
  try {
    const parsed = await parseDocument(source, limits);
    const title = document.title || parsed.title || (source.kind === "file" ? source.fileName : "");
    const { text, chunks, parents } = chunkDocument({ id, title, blocks: parsed.blocks }, chunking, countTokens);
    return { id, contentHash, title, text, chunks, parents, failure: null };
  } catch (thrown) {
    if (!(thrown instanceof ParseFailure)) throw thrown;
    return { id, contentHash, title: document.title, text: "", chunks: [], parents: [], failure: thrown.message };
  }
}

function withTransfer(value: PrepareAnswer) {
  return { value, transfer: value.vectors === null ? [] : [value.vectors.buffer as ArrayBuffer] };
}

function embedAll(documents: readonly ParsedDocument[], texts: readonly string[], model: StaticModel | null): PrepareAnswer {
  const hasVector = new Uint8Array(texts.length);
  if (model === null) return { documents, vectors: null, hasVector, dimensions: 0 };
  const { dimensions } = model;
  const vectors = new Float32Array(texts.length * dimensions);
  for (const [place, text] of texts.entries()) {
    const vector = model.embedSync(text);
    if (vector === null) continue;
    hasVector[place] = 1;
    vectors.set(vector, place * dimensions);
  }
  return { documents, vectors, hasVector, dimensions };
}
