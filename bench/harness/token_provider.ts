// A language model for benchmarks, in a process of its own: speaks OpenAI's protocol and gives its first token after a set
// time. Started by chat.ts; the one command `{ "firstMs": 50 }` is answered by `{ "port": … }`.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { createInterface } from "node:readline";

const event = (fields: object) => `data: ${JSON.stringify({ id: "1", object: "chat.completion.chunk", ...fields })}\n\n`;
const FIRST = event({ choices: [{ index: 0, delta: { role: "assistant", content: "Retrievers" } }] });
const REST = `${event({ choices: [{ index: 0, delta: { content: " are warm." } }] })}${event({
  choices: [{ index: 0, delta: {}, finish_reason: "stop" }],
})}data: [DONE]\n\n`;

function start(firstMs: number): Promise<number> {
  const server = createServer((request, response) => {
    request.resume().once("end", () => {
      setTimeout(() => {
        response.writeHead(200, { "content-type": "text/event-stream" });
        response.write(FIRST);
        response.end(REST);
      }, firstMs);
    });
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port)));
}

for await (const line of createInterface({ input: process.stdin })) {
  const { firstMs } = JSON.parse(line) as { readonly firstMs: number };
  console.log(JSON.stringify({ answer: { port: await start(firstMs) } }));
}
