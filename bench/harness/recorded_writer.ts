import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { JudgedQuery } from "../../bridge/cli/judged_queries.ts";

const RECORDED = new URL("../data/npl_rewritings.jsonl", import.meta.url);

/** What a large language model has written for a judged query, from its text alone. */
interface Rewriting {
  readonly _id: string;
  readonly questions: readonly string[];
  readonly passage: string;
}

export interface RecordedWriter {
  readonly url: string;
  stop(): Promise<void>;
}

/**
 * A server of OpenAI's protocol that writes for NPL's judged queries what was recorded, so that a benchmark's figures are the
 * same every time; for other questions it writes nothing.
 */
export async function startRecordedWriter(judged: readonly JudgedQuery[]): Promise<RecordedWriter> {
  const lines = (await readFile(RECORDED, "utf8")).trimEnd().split("\n");
  const recorded = new Map(lines.map((line) => JSON.parse(line) as Rewriting).map((one) => [one._id, one]));
  const byText = new Map(judged.map(({ id, text }) => [text, recorded.get(id)]));
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const { messages = [] } = JSON.parse(Buffer.concat(parts).toString() || "{}") as { messages?: readonly { content: string }[] };
    const question = /<question>\n(.*)\n<\/question>/s.exec(messages.at(-1)?.content ?? "")?.[1] ?? "";
    const one = byText.get(question);
    const content = messages[0]?.content.includes("short passage") ? one?.passage : one?.questions.join("\n");
    const event = (choice: object) =>
      `data: ${JSON.stringify({ id: "1", object: "chat.completion.chunk", choices: [{ index: 0, ...choice }] })}\n\n`;
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.end(`${event({ delta: { content: content ?? "yes" } })}${event({ delta: {}, finish_reason: "stop" })}data: [DONE]\n\n`);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
