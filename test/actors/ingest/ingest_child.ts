import { writeSync } from "node:fs";
import type { IncomingDocument } from "../../../actors/ingest/accept.ts";
import { systemRandom } from "../../../runtime/random.ts";
import { SETTINGS } from "../document_store/documents.ts";
import { openIngest, signal } from "./ingest_parts.ts";

/**
 * Ingests, replaces and removes documents in the folder of its first argument until it is killed, from the operation
 * numbered by its second. A line says what it begins and what has been acknowledged.
 */
const DOCUMENTS_PER_CALL = 40;

/** What operation `number` does: pure, so that whoever kills the process knows what was on its way. */
export function operationOf(number: number): { readonly kind: "put" | "remove"; readonly ids: readonly string[]; readonly text: string } {
  const first = (batch: number) => Array.from({ length: DOCUMENTS_PER_CALL }, (_, place) => `d${batch * DOCUMENTS_PER_CALL + place}`);
  if (number % 5 === 4) return { kind: "remove", ids: first(number - 3).slice(0, 7), text: "" };
  const batch = number % 3 === 2 ? number - 1 : number; // every third one replaces what the one before it brought
  return { kind: "put", ids: first(batch), text: `text of operation ${number}` };
}

function toDocument(id: string, text: string): IncomingDocument {
  return { id, title: id, url: "", attributes: { id }, principals: [], vector: null, source: { kind: "text", text, format: "text" } };
}

const [folder, from] = process.argv.slice(2);
if (folder !== undefined) {
  const parts = await openIngest({ folder, options: { random: systemRandom() } }); // no life makes the job ids of another
  await parts.catalog.put("docs", SETTINGS, signal);
  writeSync(1, "ready\n");
  for (let number = Number(from); ; number++) {
    const { kind, ids, text } = operationOf(number);
    writeSync(1, `begin ${number}\n`);
    if (kind === "put") {
      const documents = ids.map((id) => toDocument(id, text));
      await parts.ingest.accept("docs", documents, signal);
    } else {
      await parts.ingest.deleteDocuments("docs", ids, signal);
    }
    writeSync(1, `done ${number}\n`);
  }
}
