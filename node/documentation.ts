import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { CollectionDefaults } from "../bridge/schema/collections.ts";
import { toKennelError } from "../runtime/errors.ts";
import type { Logger } from "../telemetry/logs.ts";
import type { Core } from "./core.ts";

const COLLECTION = "kennel";
const ROOT = new URL("../", import.meta.url);
/** What a newcomer asks about, in the order of reading. */
const FILES = ["README.md", "ARCHITECTURE.md", "config/SETTINGS.md", "bench/RESULTS.md"] as const;

/** Makes Kennel's own documentation the first collection, so that a first question has an answer. Never rejects. */
export async function loadDocumentation(
  { catalog, ingest, logger }: Pick<Core, "catalog" | "ingest"> & { readonly logger: Logger },
  defaults: CollectionDefaults,
  signal: AbortSignal,
): Promise<void> {
  try {
    if (catalog.resolve(COLLECTION) !== null) return;
    const documents = await Promise.all(FILES.filter((file) => existsSync(new URL(file, ROOT))).map(readDocument));
    await catalog.put(COLLECTION, { ...defaults, attributes: {} }, signal);
    const job = await ingest.accept(COLLECTION, documents, signal);
    logger.info({ collection: COLLECTION, job: job.id, documents: documents.length }, "loading the documentation");
  } catch (thrown) {
    logger.warn({ code: toKennelError(thrown).code }, "the documentation was not loaded");
  }
}

async function readDocument(file: string) {
  const text = await readFile(new URL(file, ROOT), "utf8");
  return {
    id: file,
    title: "",
    url: "",
    attributes: { file },
    principals: [],
    vector: null,
    source: { kind: "text", text, format: "markdown" },
  } as const;
}
