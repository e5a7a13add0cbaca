import { visibleText } from "../language_model/quoting.ts";
import type { ChatEvent } from "./chat.ts";
import type { Passage } from "./prompt.ts";

const MAX_PASSAGES = 3;
const MAX_LENGTH = 400;

/** An answer of passages alone, each with its citation, that says no model wrote it. */
export function* extractiveAnswer(passages: readonly Passage[]): Generator<ChatEvent> {
  let length = 0;
  const write = (text: string): ChatEvent => {
    length += text.length;
    return { kind: "text", text };
  };
  if (passages.length === 0) {
    yield write("No language model is available, and no passage was found that could answer this.");
    return;
  }
  yield write("No language model is available. These are the passages found, best first:");
  for (const [at, { id: chunkId, documentId, title, url, text }] of passages.slice(0, MAX_PASSAGES).entries()) {
    const shown = text.slice(0, MAX_LENGTH).toWellFormed();
    yield write(`\n\n${visibleText(shown)}${text.length > MAX_LENGTH ? "…" : ""} `);
    const start = length;
    yield write(`[${at + 1}]`);
    const range = { start, end: length, passageStart: 0, passageEnd: Math.min(text.length, MAX_LENGTH) };
    yield { kind: "citation", citation: { documentId, chunkId, title, url, ...range, quote: shown } };
  }
}
