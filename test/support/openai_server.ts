import { hash } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";

/** A request as the server got it. */
export interface ProviderRequest {
  /** `/v1/embeddings`; Azure's with its query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: {
    readonly model?: string;
    readonly input?: readonly string[];
    readonly encoding_format?: string;
    readonly stream?: boolean;
  };
  /** Resolves when the connection or answer ends; true: before the answer was complete. */
  readonly brokenOff: Promise<boolean>;
}

/** What a behaviour writes to; a part of node's own, which Deno knows under two names. */
interface ProviderResponse {
  writeHead(status: number, headers: Readonly<Record<string, string>>): unknown;
  write(text: string): unknown;
  end(text?: string): unknown;
  readonly socket: { destroy(): unknown } | null;
}

/** What is sent instead of a right answer; it writes to the response, or leaves it open. */
export type Behaviour = (request: ProviderRequest, response: ProviderResponse) => void;

export interface OpenAiServer {
  /** With `/v1`. */
  readonly url: string;
  readonly requests: readonly ProviderRequest[];
  /** Of the requests so far. */
  forget(): void;
  /** Most sockets open at once. */
  readonly maxSockets: number;
  readonly openSockets: number;
  /** For every request from now on; null: right answers. */
  behave(behaviour: Behaviour | null): void;
  /** For the next request alone; several wait in line. */
  behaveOnce(behaviour: Behaviour): void;
  stop(): Promise<void>;
}

export const answerStatus =
  (status: number, headers: Readonly<Record<string, string>> = {}, code = "test"): Behaviour =>
  (_request, response) => {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(JSON.stringify({ error: { message: `status ${status} for key sk-secret-123456`, type: "test", code, param: null } }));
  };
export const hang: Behaviour = () => undefined;
export const answerText =
  (text: string): Behaviour =>
  (_request, response) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.end(text);
  };
/** Announces more than it sends, then cuts the connection. */
export const answerTruncated: Behaviour = (_request, response) => {
  response.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
  response.write('{"object":"list","data":[');
  setTimeout(() => response.socket?.destroy(), 10);
};
/** Answers with a head, and then nothing more. */
export const hangInBody: Behaviour = (_request, response) => {
  response.writeHead(200, { "content-type": "application/json" });
  response.write('{"object":"list",');
};
export const answerVectors =
  (dimensions: number, encoding: "base64" | "numbers" = "base64"): Behaviour =>
  (request, response) => {
    const data = (request.body.input ?? []).map((text, index) => ({
      object: "embedding",
      index,
      embedding: encode(vectorOf(text, dimensions), encoding),
    }));
    const tokens = (request.body.input ?? []).join(" ").split(/\s+/).length;
    response.writeHead(200, { "content-type": "application/json" });
    response.end(
      JSON.stringify({ object: "list", model: request.body.model, data, usage: { prompt_tokens: tokens, total_tokens: tokens } }),
    );
  };

/** The same text has the same vector everywhere; not of unit length. */
export function vectorOf(text: string, dimensions: number): Float32Array {
  const vector = new Float32Array(dimensions);
  for (let at = 0; at < dimensions; at++) {
    const bytes = hash("sha256", `${at >> 4} ${text}`, "buffer");
    vector[at] = bytes.readInt16LE(2 * (at & 15)) / 32_768;
  }
  return vector;
}

function encode(vector: Float32Array, encoding: "base64" | "numbers"): string | number[] {
  return encoding === "numbers" ? [...vector] : Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString("base64");
}

/** A server on this machine that speaks the protocol of OpenAI and of Azure for embeddings, and misbehaves when told to. */
export async function startOpenAiServer(options: { readonly dimensions: number }): Promise<OpenAiServer> {
  const requests: ProviderRequest[] = [];
  const sockets = new Set<Socket>();
  const once: Behaviour[] = [];
  let maxSockets = 0;
  let always: Behaviour | null = null;
  const server = createServer(async (message, response) => {
    response.on("error", () => undefined);
    const brokenOff = new Promise<boolean>((resolve) => response.once("close", () => resolve(!response.writableFinished)));
    const request = { path: message.url ?? "", headers: message.headers, body: await readBody(message), brokenOff };
    requests.push(request);
    (once.shift() ?? always ?? answerVectors(options.dimensions))(request, response);
  });
  server.keepAliveTimeout = 60_000;
  server.on("connection", (socket) => {
    sockets.add(socket);
    maxSockets = Math.max(maxSockets, sockets.size);
    socket.once("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    requests,
    forget: () => {
      requests.length = 0;
    },
    get maxSockets() {
      return maxSockets;
    },
    get openSockets() {
      return sockets.size;
    },
    behave: (behaviour) => {
      always = behaviour;
    },
    behaveOnce: (behaviour) => void once.push(behaviour),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

async function readBody(message: AsyncIterable<unknown>): Promise<ProviderRequest["body"]> {
  const parts: Buffer[] = [];
  for await (const part of message) parts.push(part as Buffer);
  const text = Buffer.concat(parts).toString();
  return text === "" ? {} : JSON.parse(text);
}
