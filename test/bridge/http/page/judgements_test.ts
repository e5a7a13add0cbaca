import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readDegradations } from "../../../../bridge/http/page/browser/chat.js";
import { readChat } from "../../../../bridge/http/page/browser/chat_stream.js";
import { spanOf } from "../../../../bridge/http/page/browser/interval_plot.js";
import { MAX_JUDGEMENTS_LENGTH, readChosen, readJudgements } from "../../../../bridge/http/page/browser/judgements.js";

const test = suite("page: what is pasted and streamed");
const ONE = { query: "q", relevant: { a: 1 } };

test("Judgements are read a line each, as an array and as a request's body", () => {
  const lines = `${JSON.stringify(ONE)}\n\n${JSON.stringify({ query: "r", relevant: { b: 0, c: 2 } })}\n`;
  assert.equal(readJudgements(lines), { questions: [ONE, { query: "r", relevant: { b: 0, c: 2 } }] });
  assert.equal(readJudgements(JSON.stringify([ONE])), { questions: [ONE] });
  assert.equal(readJudgements(JSON.stringify({ queries: [ONE], strategies: ["bm25"] })), { questions: [ONE] });
  assert.equal(readJudgements(JSON.stringify(ONE)), { questions: [ONE] });
});

test("What is no judgement is told by its place", () => {
  for (const [text, said] of [
    ["", "Nothing is judged yet"],
    ["not json", "Line 1 is no JSON"],
    [`${JSON.stringify(ONE)}\n\nnot json`, "Line 3 is no JSON"],
    ["[1]", 'Question 1 has no "query"'],
    ["[null]", 'Question 1 has no "query"'],
    [`${JSON.stringify(ONE)}\n{"query":"r","relevant":[]}`, "Line 2 has no document"],
    ["x".repeat(MAX_JUDGEMENTS_LENGTH + 1), "too much for this page"],
  ] as const) {
    const read = readJudgements(text);
    assert.ok("problem" in read && read.problem.includes(said), JSON.stringify(read).slice(0, 100));
  }
});

test("A plot's axis holds every interval and is never empty", () => {
  const at = (low: number, high: number) => ({ mean: (low + high) / 2, low, high });
  assert.equal(spanOf([at(0.42, 0.51), at(0.44, 0.57)]), [0.4, 0.6]);
  for (const [low, high] of [spanOf([at(1, 1)]), spanOf([at(0, 0)]), spanOf([at(0.5, 0.5)])])
    assert.ok(high > low && low >= 0 && high <= 1);
});

async function readAll(pieces: readonly string[]) {
  const bytes = pieces.map((text) => new TextEncoder().encode(text));
  const parts: unknown[] = [];
  for await (const part of readChat(new Response(new Blob(bytes).stream()))) parts.push(part);
  return parts;
}

test("A streamed answer is read whatever pieces it comes in, and its errors are parts of it", async () => {
  const annotation = { document_id: "d", chunk_id: "d#0", quote: "q", url_citation: { start_index: 0, end_index: 3, title: "", url: "" } };
  const delta = (fields: object) => `data: ${JSON.stringify({ choices: [{ delta: fields }] })}\n\n`;
  const text = `${delta({ role: "assistant", content: "" })}${delta({ content: "Grüße \u{1F600}" })}${delta({ annotations: [annotation] })}data: {"choices":[]}\n\n: note\n\ndata: [DONE]\n\n`;
  const expected = [
    { kind: "text", text: "Grüße \u{1F600}" },
    { kind: "citation", annotation },
  ];
  assert.equal(await readAll([text]), expected);
  assert.equal(await readAll([...text]), expected);
  const error = '{"error":{"code":"unavailable","message":"m"}}';
  assert.equal(await readAll([`data: ${error}\n\ndata: [DONE]\n\n`]), [{ kind: "failed", body: error }]);
});

test("Degradations are read from their header, and what is none is left out", () => {
  assert.equal(readDegradations("answer=not_configured;service=language_model, x, vector=unavailable;service=vector_store"), [
    { stage: "answer", reason: "not_configured", service: "language_model", breaker: "closed" },
    { stage: "vector", reason: "unavailable", service: "vector_store", breaker: "closed" },
  ]);
  assert.equal(readDegradations(""), []);
});

test("A chosen file that is too large is not read, and one that cannot be read says so", async () => {
  assert.equal(await readChosen(new Blob([JSON.stringify(ONE)])), { text: JSON.stringify(ONE) });
  let reads = 0;
  const blob = (size: number) =>
    ({
      size,
      text: () => {
        reads += 1;
        return Promise.reject(new DOMException("gone", "NotFoundError"));
      },
    }) as unknown as Blob;
  assert.match(JSON.stringify(await readChosen(blob(3 * MAX_JUDGEMENTS_LENGTH + 1))), "too much for this page");
  assert.is(reads, 0);
  assert.equal(await readChosen(blob(1)), { problem: "The file cannot be read" });
});

test.run();
