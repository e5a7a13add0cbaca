import type { CollectionSettings } from "../../../actors/document_store/collection_record.ts";
import type { Chunk, ParsedDocument, SourceDocument } from "../../../actors/document_store/document_record.ts";
import type { ReindexOutcome, ReindexPlan } from "../../../actors/document_store/index_version.ts";

export const SETTINGS: CollectionSettings = {
  language: "english",
  embedding: "static-minilm-256",
  chunking: { maxTokens: 256, overlapTokens: 32, parentTokens: 0 },
  attributes: {},
  fusion: { type: "weighted", alpha: 0.3 },
  pinned: false,
  resident: "auto",
  replicas: 1,
  pool: 1,
  ttlSeconds: null,
  allowDegraded: true,
  shareAnswers: false,
};

/** Of a reindex that compares nothing. */
export const SWITCHED: ReindexOutcome = { decision: "switched", reason: "always", comparison: null };

export const HELD: ReindexOutcome = {
  decision: "held",
  reason: "worse",
  comparison: {
    basis: "judged",
    queries: 2,
    failed: 1,
    ndcg10: { before: 0.5, after: 0.25, difference: { mean: -0.25, low: -0.5, high: 0 } },
    overlap10: 0.5,
    rankBiasedOverlap: 0.25,
    scoreShift: null,
    emptied: 1,
    isWorse: true,
  },
};

export const PLAN: ReindexPlan = {
  switch: "auto",
  keepMs: null,
  compare: {
    judged: [{ query: "Grüße?", grades: { one: 1, two: 0 } }],
    strategy: "hybrid",
    margin: 0.01,
    minOverlap: 0.5,
    maxQueries: 10,
  },
};

/** A text document whose hash is made of its id and text, so that the same text is the same content. */
export function textDocument(id: string, text: string, differs: Partial<SourceDocument> = {}): SourceDocument {
  return {
    id,
    title: `Title of ${id}`,
    url: "",
    attributes: {},
    principals: [],
    vector: null,
    source: { kind: "text", text, format: "text" },
    contentHash: `hash of ${id}: ${text}`,
    ...differs,
  };
}

/** The document as one chunk, under one parent where `parent` is given. */
export function parsed(document: SourceDocument, differs: Partial<ParsedDocument> = {}, parent: string | null = null): ParsedDocument {
  const text = document.source.kind === "text" ? document.source.text : "";
  const chunk: Chunk = {
    id: `${document.id}#0`,
    ordinal: 0,
    parentId: parent === null ? null : `${document.id}#p0`,
    text,
    indexText: `${document.title}\n${text}`,
    startOffset: 0,
    endOffset: text.length,
  };
  return {
    id: document.id,
    contentHash: document.contentHash,
    title: document.title,
    text,
    chunks: text === "" ? [] : [chunk],
    parents: parent === null ? [] : [{ id: `${document.id}#p0`, text: parent }],
    failure: null,
    ...differs,
  };
}
