import { answerStatus, answerVectors, type Behaviour, startOpenAiServer } from "../support/openai_server.ts";
import { startRerankServer } from "../support/rerank_server.ts";
import type { Caller } from "./caller.ts";

const DIMENSIONS = 32;
const CHAT_ANSWER = [
  { choices: [{ index: 0, delta: { content: 'A beagle [1: "small scent hound"] flies [1: "can fly"].' } }] },
  { choices: [{ index: 0, delta: {}, finish_reason: "stop" }] },
  { choices: [], usage: { prompt_tokens: 30, completion_tokens: 5 } },
];

/** Vectors as ever; a chat is a stream of events. */
const answerWell: Behaviour = (request, response) => {
  if (!request.path.endsWith("/chat/completions")) return answerVectors(DIMENSIONS)(request, response);
  response.writeHead(200, { "content-type": "text/event-stream" });
  for (const part of CHAT_ANSWER) response.write(`data: ${JSON.stringify({ id: "1", object: "chat.completion.chunk", ...part })}\n\n`);
  response.end("data: [DONE]\n\n");
};

/** Providers of all models that a node may ask. */
export interface Models {
  /** Of a node that asks them, with prices. */
  readonly settings: Readonly<Record<string, string>>;
  /** Whether they answer 503 from now on. */
  beAway(isAway: boolean): void;
  stop(): Promise<void>;
}

export async function startModels(): Promise<Models> {
  const provider = await startOpenAiServer({ dimensions: DIMENSIONS });
  const reranker = await startRerankServer();
  const beAway = (isAway: boolean) => {
    provider.behave(isAway ? answerStatus(503) : answerWell);
    reranker.behave(isAway ? answerStatus(503) : null);
  };
  beAway(false);
  return {
    settings: {
      KENNEL_HTTP_PORT: "0",
      KENNEL_EMBEDDING: "openai:test-model",
      KENNEL_CHAT: "openai:test-chat",
      KENNEL_RERANK_URL: reranker.url,
      KENNEL_OPENAI_DOLLARS_PER_MILLION_TOKENS: "0.13",
      KENNEL_CHAT_CALLS_DOLLARS_PER_MILLION_PROMPT_TOKENS: "2",
      KENNEL_CHAT_CALLS_DOLLARS_PER_MILLION_ANSWER_TOKENS: "8",
      OPENAI_BASE_URL: provider.url,
      KENNEL_LOAD_DOCUMENTATION: "false",
    },
    beAway,
    async stop() {
      await reranker.stop();
      await provider.stop();
    },
  };
}

/**
 * One of everything that a node counts: a collection is filled, asked and chatted with, two searches fail, and another collection comes and goes. The first
 * one stays, since a node forgets what it has counted of a collection that is deleted.
 */
export async function makeUseOf(caller: Caller, turn: number): Promise<void> {
  const name = "pets";
  if (turn === 0) await caller.makeCollection(name);
  for (const documents of documentsOf(turn)) await caller.addDocuments(name, documents);
  for (const search of searchesOf(`hound ${turn}`)) await caller.search(name, search);
  await caller.must("POST", "/v1/chat/completions", chatOf(name, `hound ${turn}`));
  await caller.refused("invalid_request", "POST", `/v1/collections/${name}/search`, OF_ANOTHER_MODEL);
  await caller.refused("not_found", "POST", "/v1/collections/unknown/search", { query: "nothing" });
  await comeAndGo(caller, `passing_${turn}`);
}

/** A collection that is made, filled, asked and deleted. */
export async function comeAndGo(caller: Caller, name: string): Promise<void> {
  await caller.makeCollection(name);
  await caller.addDocuments(name, [{ id: "swift", text: "It stays for a summer." }]);
  await caller.search(name, { query: "summer" });
  await caller.must("DELETE", `/v1/collections/${name}`);
}

/** Twice: documents that are new; the same again, with one that has no text. */
export function documentsOf(turn: number): readonly (readonly object[])[] {
  const documents = [{ id: `beagle_${turn}`, text: `A small scent hound, number ${turn}.` }];
  return [documents, [...documents, { id: "empty", text: "" }]];
}

/** By every strategy, by the usual one, and with a second ranking. */
export const searchesOf = (query: string) => [
  ...["hybrid", "vector", "bm25"].map((strategy) => ({ query, strategy })),
  { query },
  { query, rerank: true },
];

/** A search that its collection refuses, since its vectors are longer. */
export const OF_ANOTHER_MODEL = { vector: [0.6, 0.8], strategy: "vector" };

export const chatOf = (collection: string, query: string) => ({
  model: collection,
  messages: [{ role: "user", content: `Which is a ${query}?` }],
});
