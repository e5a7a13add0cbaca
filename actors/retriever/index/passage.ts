import type { StoredChunk } from "../../vector_store/vector_store.ts";

/**
 * A chunk's part of a hit, written as JSON once: `{"id":…,"document_id":…,"parent_id":…,"title":…,"url":…`, from `textAt`
 * on `,"text":…`, from `attributesAt` on `,"attributes":…`. The closing brace is left to what follows in the hit. Since the
 * parts lie in this order, a hit that wants all of them is one copy.
 */
export interface ReadyPassage {
  readonly bytes: Uint8Array;
  readonly textAt: number;
  readonly attributesAt: number;
}

/**
 * What a chunk shows where parents are shown: its parent's text part, or `own`, the chunk's, where it has no parent or one
 * of the same text; `unknown`: the document store has to be asked.
 */
export type ParentText = Uint8Array | "own" | "unknown";

const encoder = new TextEncoder();

export function readyPassage(chunk: StoredChunk): ReadyPassage {
  const head = encoder.encode(
    `{"id":${JSON.stringify(chunk.id)},"document_id":${JSON.stringify(chunk.documentId)},"parent_id":${JSON.stringify(chunk.parentId)}` +
      `,"title":${JSON.stringify(chunk.title)},"url":${JSON.stringify(chunk.url)}`,
  );
  const text = readyText(chunk.text);
  const attributes = encoder.encode(`,"attributes":${JSON.stringify(chunk.attributes)}`);
  const bytes = new Uint8Array(head.length + text.length + attributes.length);
  bytes.set(head);
  bytes.set(text, head.length);
  bytes.set(attributes, head.length + text.length);
  return { bytes, textAt: head.length, attributesAt: head.length + text.length };
}

const decoder = new TextDecoder();

/** The text of a passage, read back out of its bytes. */
export function textOf({ bytes, textAt, attributesAt }: ReadyPassage): string {
  return (JSON.parse(`{${decoder.decode(bytes.subarray(textAt + 1, attributesAt))}}`) as { readonly text: string }).text;
}

/** Who a passage is, read back out of its bytes. */
export function namesOf({ bytes, textAt }: ReadyPassage): { readonly id: string; readonly documentId: string } {
  const head = JSON.parse(`${decoder.decode(bytes.slice(0, textAt))}}`) as { readonly id: string; readonly document_id: string };
  return { id: head.id, documentId: head.document_id };
}

/** The text part alone: what a parent passage puts in place of its child's. */
export function readyText(text: string): Uint8Array {
  return encoder.encode(`,"text":${JSON.stringify(text)}`);
}
