import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Behaviour } from "./openai_server.ts";

export interface RerankRequest {
  readonly model: string;
  readonly query: string;
  readonly documents: readonly string[];
  readonly top_n: number;
}

export interface RerankServer {
  /** The whole address. */
  readonly url: string;
  readonly requests: readonly RerankRequest[];
  readonly authorizations: readonly (string | undefined)[];
  /** For every request from now on; null: right answers. */
  behave(behaviour: Behaviour | null): void;
  stop(): Promise<void>;
}

/** A server on this machine that takes Cohere's request of version 2: the share of the query's words that a text has is its score. */
export async function startRerankServer(): Promise<RerankServer> {
  const requests: RerankRequest[] = [];
  const authorizations: (string | undefined)[] = [];
  const sockets = new Set<Socket>();
  let always: Behaviour | null = null;
  const server = createServer(async (message, response) => {
    response.on("error", () => undefined);
    const brokenOff = new Promise<boolean>((resolve) => response.once("close", () => resolve(!response.writableFinished)));
    const parts: Buffer[] = [];
    try {
      for await (const part of message) parts.push(part as Buffer);
    } catch {
      return; // who asked has gone before all was said
    }
    const body = JSON.parse(Buffer.concat(parts).toString()) as RerankRequest;
    requests.push(body);
    authorizations.push(message.headers.authorization);
    if (always !== null)
      return always({ path: message.url ?? "", headers: message.headers, body: { model: body.model }, brokenOff }, response);
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ id: "1", results: ranked(body), meta: {} }));
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v2/rerank`,
    requests,
    authorizations,
    behave: (behaviour) => {
      always = behaviour;
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

function ranked({ query, documents, top_n }: RerankRequest): readonly object[] {
  const words = query.toLowerCase().split(/\W+/).filter(Boolean);
  return documents
    .map((text, index) => ({ index, relevance_score: words.filter((word) => text.toLowerCase().includes(word)).length / words.length }))
    .sort((left, right) => right.relevance_score - left.relevance_score)
    .slice(0, top_n);
}
