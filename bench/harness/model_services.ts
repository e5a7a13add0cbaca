import { createServer, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { loadStaticModel, type StaticModel } from "../../actors/embedding/static/static_model.ts";
import { type Random, seededRandom } from "../../runtime/random.ts";

/** How a service takes its time: log-normal, with the p95 at five times the p50, and a share of requests never answered. */
export interface Slowness {
  readonly p50Ms: number;
  /** 0..1 */
  readonly hungShare: number;
}

const P95_TO_P50 = 5;
/** The 95th percentile of the standard normal distribution. */
const Z95 = 1.6449;

/** A service on this machine that speaks its real protocol, can be slow, and can be taken away and given back at its address. */
export interface ModelService {
  /** `http://127.0.0.1:PORT` */
  readonly origin: string;
  /** For every request from now on; null: answers at once. */
  slow(slowness: Slowness | null): void;
  /** Closes the door and every connection. */
  take(): Promise<void>;
  giveBack(): Promise<void>;
  stop(): Promise<void>;
}

export type IsRelevant = (query: string, text: string) => boolean;

type Answer = { readonly type: string; readonly text: string };
type Respond = (body: Readonly<Record<string, unknown>>, model: StaticModel) => Answer;

/** OpenAI's embeddings, made by the built-in model. */
export const startEmbeddingService = (seed: number): Promise<ModelService> => startService(seed, embeddings);
/** OpenAI's chat, streamed: a question that is to be rewritten is given back as it is, any other one is answered by quoting the first passage. */
export const startChatService = (seed: number): Promise<ModelService> => startService(seed, chat);
/**
 * Cohere's reranking of version 2.
 * @param isRelevant what it knows as a strong model would; without it the query's words decide. Else the given order stands
 */
export const startRerankService = (seed: number, isRelevant: IsRelevant | null = null): Promise<ModelService> =>
  startService(seed, (body) => rerank(body, isRelevant));

async function startService(seed: number, respond: Respond): Promise<ModelService> {
  const model = await loadStaticModel();
  const random = seededRandom(seed);
  const sockets = new Set<Socket>();
  let slowness: Slowness | null = null;
  let port = 0;
  let server: Server | null = null;
  const giveBack = async () => {
    const opened = createServer(async (message, response) => {
      response.on("error", () => undefined);
      const parts: Buffer[] = [];
      try {
        for await (const part of message) parts.push(part as Buffer);
      } catch {
        return; // the client has gone
      }
      const waitMs = slowness === null ? 0 : drawMs(slowness, random);
      if (waitMs === null) return; // it hangs until the client gives up
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
      if (response.destroyed) return;
      const { type, text } = respond(JSON.parse(Buffer.concat(parts).toString()), model);
      response.writeHead(200, { "content-type": type });
      response.end(text);
    });
    opened.keepAliveTimeout = 60_000;
    opened.on("connection", (socket) => {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
    });
    await new Promise<void>((resolve, reject) => {
      opened.once("error", reject);
      opened.listen(port, "127.0.0.1", resolve);
    });
    port = (opened.address() as AddressInfo).port;
    server = opened;
  };
  const take = async () => {
    const closing = server;
    server = null;
    if (closing === null) return;
    await new Promise<void>((resolve) => {
      closing.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  };
  await giveBack();
  return {
    origin: `http://127.0.0.1:${port}`,
    slow: (next) => {
      slowness = next;
    },
    take,
    giveBack,
    stop: take,
  };
}

/** Null: never. */
function drawMs({ p50Ms, hungShare }: Slowness, random: Random): number | null {
  if (random.next() < hungShare) return null;
  const normal = Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
  return p50Ms * Math.exp((Math.log(P95_TO_P50) / Z95) * normal);
}

function embeddings(body: Readonly<Record<string, unknown>>, model: StaticModel): Answer {
  const input = body.input as readonly string[];
  const data = input.map((text, index) => {
    // A text without a known word has no direction; OpenAI's models always have one.
    const vector = model.embedSync(text) ?? axis(model.dimensions);
    return { object: "embedding", index, embedding: Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString("base64") };
  });
  return json({ object: "list", model: body.model, data, usage: { prompt_tokens: 1, total_tokens: 1 } });
}

function axis(dimensions: number): Float32Array {
  const vector = new Float32Array(dimensions);
  vector[0] = 1;
  return vector;
}

const REWRITE = "Rewrite this question: ";

function chat(body: Readonly<Record<string, unknown>>): Answer {
  const messages = body.messages as readonly { readonly role: string; readonly content: string }[];
  const last = messages.at(-1)?.content ?? "";
  const quoted = />\s*([^<]{1,40}\b)/.exec(last)?.[1]?.trim() ?? "";
  const content = last.startsWith(REWRITE) ? last.slice(REWRITE.length) : quoted === "" ? "yes" : `It is so [1: "${quoted}"].`;
  const event = (choice: object) =>
    `data: ${JSON.stringify({ id: "1", object: "chat.completion.chunk", choices: [{ index: 0, ...choice }] })}\n\n`;
  const text = `${event({ delta: { content } })}${event({ delta: {}, finish_reason: "stop" })}data: [DONE]\n\n`;
  return { type: "text/event-stream", text };
}

function rerank(body: Readonly<Record<string, unknown>>, isRelevant: IsRelevant | null): Answer {
  const { query, documents } = body as { readonly query: string; readonly documents: readonly string[] };
  const words = query.toLowerCase().split(/\W+/).filter(Boolean);
  const share = (text: string) => words.filter((word) => text.toLowerCase().includes(word)).length / Math.max(1, words.length);
  const worth = isRelevant === null ? share : (text: string) => Number(isRelevant(query, text));
  const results = documents.map((text, index) => ({ index, relevance_score: (worth(text) + 1 - index / documents.length) / 2 }));
  return json({ id: "1", results, meta: {} });
}

function json(body: unknown): Answer {
  return { type: "application/json", text: JSON.stringify(body) };
}
