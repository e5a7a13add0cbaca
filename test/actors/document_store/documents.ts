import type { Chunk, CollectionSettings, ParsedDocument, SourceDocument } from "../../../actors/document_store/document_store.ts";

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
