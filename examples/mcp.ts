// An agent's side of the Model Context Protocol: search, then fetch what was found first, to be cited by its url.
// node examples/mcp.ts "what happens when a retriever crashes?"
import process from "node:process";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

interface Found {
  readonly results: readonly { readonly id: string; readonly title: string; readonly url: string; readonly score: number }[];
}

const question = process.argv[2] ?? "what happens when a retriever crashes?";
const client = new Client({ name: "example", version: "1.0.0" }, { versionNegotiation: { mode: "auto" } });
await client.connect(new StreamableHTTPClientTransport(new URL("/mcp", process.env.KENNEL_URL ?? "http://127.0.0.1:7400")));

const { structuredContent } = await client.callTool({ name: "search", arguments: { query: question, limit: 3 } });
const { results } = structuredContent as unknown as Found;
for (const { score, title, url } of results) console.log(score.toFixed(2), title, url);

const first = await client.callTool({ name: "fetch", arguments: { id: results[0]?.id } });
const { text } = first.structuredContent as { readonly text: string };
console.log("characters", text.length);
await client.close();
