import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { SourceDocument } from "../../../../actors/document_store/document_record.ts";
import type { EmbeddingModel } from "../../../../actors/embedding/embedding.ts";
import { loadStaticModel } from "../../../../actors/embedding/static/static_model.ts";
import { createPreparer, type Preparer } from "../../../../actors/ingest/preparing/preparer.ts";
import { systemClock } from "../../../../runtime/clock.ts";
import { docxOf } from "../../../support/zip.ts";
import { SETTINGS, textDocument } from "../../document_store/documents.ts";
import { LIMITS, signal } from "../ingest_parts.ts";

/** Emphasis that never closes: the Markdown parser takes the square of its length, about twenty seconds for this. */
const STUCK = "*a_ ".repeat(10_000);

function markdown(id: string, text: string): SourceDocument {
  return textDocument(id, text, { title: "", source: { kind: "text", text, format: "markdown" } });
}

function open(parseTimeoutMs: number, modelInThreads: string): Preparer {
  return createPreparer({ limits: LIMITS, maxThreads: 1, parseTimeoutMs, modelInThreads, clock: systemClock() });
}

const preparing = suite<{ model: EmbeddingModel & { embedSync(text: string): Float32Array | null } }>("preparer");
preparing.before(async (context) => {
  context.model = await loadStaticModel();
});

preparing("A thread makes the same vectors as the model does here, in the documents' order", async ({ model }) => {
  const preparer = open(60_000, model.name);
  const documents = [
    markdown("a", "# First\n\nwords"),
    textDocument("empty", "", { title: "" }),
    textDocument("b", "second", { title: "" }),
  ];
  const prepared = await preparer.prepare(documents, SETTINGS.chunking, model, signal);
  assert.equal(
    prepared.map(({ parsed, vectors }) => [parsed.id, parsed.title, vectors.length]),
    [
      ["a", "First", 1],
      ["empty", "", 0],
      ["b", "", 1],
    ],
  );
  assert.equal(prepared[2]?.vectors[0], model.embedSync("second"));
  await preparer.close();
});

preparing("Vectors of a model that the threads do not run are asked of that model", async ({ model }) => {
  const texts: string[] = [];
  const other: EmbeddingModel = {
    name: "other",
    dimensions: 2,
    maxBatch: 1,
    async embed(batch) {
      texts.push(...batch);
      return batch.map(() => new Float32Array([1, 0]));
    },
  };
  const preparer = open(60_000, model.name);
  const own = textDocument("own", "third", { title: "", vector: new Float32Array([0, 1]) });
  const documents = [textDocument("a", "first", { title: "" }), own, textDocument("b", "second", { title: "" })];
  const prepared = await preparer.prepare(documents, SETTINGS.chunking, other, signal);
  assert.equal(texts, ["first", "second"]);
  assert.equal(
    prepared.map(({ vectors }) => [...(vectors[0] ?? [])]),
    [
      [1, 0],
      [0, 1],
      [1, 0],
    ],
  );
  await preparer.close();
});

preparing("A document on which a parser is stuck fails alone when its time has passed, and the others go on", async ({ model }) => {
  const preparer = open(1500, model.name);
  const documents = [markdown("a", "first"), markdown("stuck", STUCK), markdown("b", "second")];
  const prepared = await preparer.prepare(documents, SETTINGS.chunking, model, signal);
  assert.equal(
    prepared.map(({ parsed }) => parsed.failure),
    [null, "Reading it took longer than 1500 ms", null],
  );
  await preparer.close();
});

preparing("Bombs fail with a reason, and the thread goes on with the next document", async ({ model }) => {
  const preparer = open(60_000, model.name);
  const file = (id: string, bytes: Uint8Array) => textDocument(id, "", { source: { kind: "file", mediaType: "", fileName: id, bytes } });
  const documents = [
    file("large.docx", docxOf("", [{ name: "x", bytes: new Uint8Array(20_000_000) }])),
    file("lying.docx", docxOf("", [{ name: "x", bytes: new Uint8Array(90_000), declaredBytes: 10 }])),
    file(
      "many.docx",
      docxOf(
        "",
        Array.from({ length: 200 }, (_, place) => ({ name: `f${place}`, bytes: new Uint8Array(1) })),
      ),
    ),
    file("nothing.pdf", Buffer.from("%PDF-1.7\n")),
    textDocument("good", "still here"),
  ];
  const prepared = await preparer.prepare(documents, SETTINGS.chunking, model, signal);
  assert.equal(
    prepared.map(({ parsed }) => parsed.failure === null),
    [false, false, false, false, true],
  );
  await preparer.close();
});

preparing("A huge word is cut so that no passage grows without bound", async ({ model }) => {
  const preparer = open(60_000, model.name);
  const [prepared] = await preparer.prepare([textDocument("word", "A".repeat(50_000))], SETTINGS.chunking, model, signal);
  const lengths = prepared?.parsed.chunks.map((chunk) => chunk.text.length) ?? [];
  assert.ok(lengths.length > 10 && Math.max(...lengths) <= SETTINGS.chunking.maxTokens * 12);
  await preparer.close();
});

preparing.run();
