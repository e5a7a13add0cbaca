// The clients that people have, against a whole node: OpenAI's and Cohere's for Python, MCP's official one. What they say and
// get is compared with CLIENTS.md.
import { execFile } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Caller } from "../../journeys/caller.ts";
import { type KennelProcess, startKennel } from "../../support/kennel_process.ts";
import { type Behaviour, type OpenAiServer, startOpenAiServer } from "../../support/openai_server.ts";
import { coherePythonPath, openAiPythonPath } from "../../support/services.ts";
import { readTold, type Told, transcript, writeTranscript, writtenTranscript } from "./transcript.ts";

const LIMIT_MS = 60_000;
const run = promisify(execFile);
const PETS = [
  {
    id: "beagle",
    title: "Beagle",
    url: "https://example.com/beagle",
    text: "A small scent hound, bred to hunt hare.",
    attributes: { kind: "dog" },
  },
  { id: "manx", title: "Manx", url: "https://example.com/manx", text: "The Manx is a cat without a tail.", attributes: { kind: "cat" } },
];

const event = (fields: object) => `data: ${JSON.stringify({ id: "1", object: "chat.completion.chunk", ...fields })}\n\n`;
const says: Behaviour = (_request, response) => {
  response.writeHead(200, { "content-type": "text/event-stream" });
  for (const content of ["The Manx [1: ", '"a cat without a tail"].'])
    response.write(event({ choices: [{ index: 0, delta: { content } }] }));
  response.write(event({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] }));
  response.end("data: [DONE]\n\n");
};

let kennel: KennelProcess;
let provider: OpenAiServer;

test.before(async () => {
  provider = await startOpenAiServer({ dimensions: 4 });
  provider.behave(says);
  kennel = await startKennel({ KENNEL_LOAD_DOCUMENTATION: "false", KENNEL_CHAT: "openai:test-chat", OPENAI_BASE_URL: provider.url });
  const caller = new Caller(kennel.url);
  await caller.makeCollection("pets");
  await caller.addDocuments("pets", PETS);
});

test.after(async () => {
  await kennel?.stop();
  await provider?.stop();
});

async function python(path: string, program: string): Promise<readonly Told[]> {
  const file = fileURLToPath(new URL(program, import.meta.url));
  return readTold((await run(path, [file], { env: { ...process.env, KENNEL_URL: kennel.url }, timeout: LIMIT_MS })).stdout);
}

async function agent(): Promise<readonly Told[]> {
  const client = new Client({ name: "test", version: "1.0.0" }, { versionNegotiation: { mode: "auto" } });
  await client.connect(new StreamableHTTPClientTransport(new URL("/mcp", kennel.url)));
  const told: Told[] = [];
  const call = async (name: string, args: Record<string, unknown>) => {
    const { isError, structuredContent, content } = await client.callTool({ name, arguments: args });
    const text = content[0]?.type === "text" ? content[0].text : "";
    const said = isError === true ? { isError, text } : structuredContent;
    told.push({ call: `client.callTool(${JSON.stringify({ name, arguments: args })})`, outcome: withoutScores(said) });
  };
  try {
    const { tools } = await client.listTools();
    told.push({ call: "client.listTools()", outcome: tools.map(({ name }) => name) });
    await call("search", { query: "hunting hare", collection: "pets", limit: 1 });
    await call("fetch", { id: "pets/beagle" });
    await call("fetch", { id: "pets/none" });
    await call("search", { query: "hare", collection: "none" });
    await call("search", { query: "hare", limit: 500 });
  } finally {
    await client.close();
  }
  return told;
}

/** Scores are checked elsewhere; their last digits are not the protocol's. */
function withoutScores(said: unknown): unknown {
  return JSON.parse(JSON.stringify(said, (key, value) => (key === "score" ? undefined : value)));
}

test("Each client gets what it asks for, and its mistakes as errors of its own, as test/services/CLIENTS.md says", async () => {
  const openai = await python(openAiPythonPath(), "openai_client.py");
  const cohere = await python(coherePythonPath(), "cohere_client.py");
  const mcp = await agent();
  for (const told of [openai, cohere, mcp]) assert.ok(told.some(({ outcome }) => /raised|isError/.test(JSON.stringify(outcome))));
  const seen = transcript([
    ["OpenAI's client for Python", openai],
    ["Cohere's client for Python", cohere],
    ["The official client of the Model Context Protocol", mcp],
  ]);
  if (process.env.TEST_WRITE_CLIENTS === "1") writeTranscript(seen);
  else assert.equal(seen, writtenTranscript(), "run with TEST_WRITE_CLIENTS=1 where the new transcript is right");
});

test.run();
