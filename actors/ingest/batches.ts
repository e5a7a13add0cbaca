import type { SourceDocument } from "../document_store/document_record.ts";

export interface BatchLimits {
  readonly batchDocuments: number;
  /** Of sources: UTF-16 units of texts, bytes of files. A document above it is a batch of its own. */
  readonly batchBytes: number;
}

/** Cuts documents into batches, in order. */
export function cutBatches(pending: readonly SourceDocument[], { batchDocuments, batchBytes }: BatchLimits): SourceDocument[][] {
  const batches: SourceDocument[][] = [];
  let open: SourceDocument[] = [];
  let bytes = 0;
  for (const document of pending) {
    const size = document.source.kind === "text" ? document.source.text.length : document.source.bytes.length;
    if (open.length > 0 && (open.length >= batchDocuments || bytes + size > batchBytes)) {
      batches.push(open);
      open = [];
      bytes = 0;
    }
    open.push(document);
    bytes += size;
  }
  if (open.length > 0) batches.push(open);
  return batches;
}
