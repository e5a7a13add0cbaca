import { chatAnswerSchema } from "../schema/chat.ts";
import type { CommandContext } from "./context.ts";

export interface ChatOptions {
  readonly json: boolean;
}

/** Prints the answer to one question and what it cites, or the completion as the API gives it. */
export async function chat(
  { client, terminal, signal }: CommandContext,
  collection: string,
  question: string,
  options: ChatOptions,
): Promise<number> {
  const value = { model: collection, messages: [{ role: "user", content: question }] };
  const answer = await client.request("POST", "/v1/chat/completions", chatAnswerSchema, { body: { kind: "json", value }, signal });
  if (options.json) {
    terminal.out(JSON.stringify(answer));
    return 0;
  }
  const message = answer.choices[0]?.message;
  terminal.out(message?.content ?? "");
  const cited = new Set<string>();
  for (const { url_citation: citation, document_id: document } of message?.annotations ?? []) {
    const mark = message?.content.slice(citation.start_index, citation.end_index) ?? "";
    const source = [mark, citation.title, `(${document})`, citation.url].filter((part) => part !== "").join("  ");
    if (!cited.has(source)) terminal.err(source);
    cited.add(source);
  }
  return 0;
}
