/**
 * The HTTP listener: one fetch handler behind `node:http`, on Deno and on Node alike.
 *
 * `Deno.serve` answers 16 % more requests a second at 32 connections and 38 % at one, but it has no limit for a client that opens a connection and
 * never finishes its headers or its body, nor for the number of connections: such a client would hold them for ever.
 *
 * Invariants:
 *   L1. A connection that has sent no complete head after `headersTimeoutMs`, or no complete request after
 *       `requestTimeoutMs`, is answered 408 and closed.
 *   L2. After `stop` no request is accepted; one that was accepted gets its answer, until the grace has passed.
 *   L3. When a client goes away, `request.signal` aborts.
 */
import { createServer, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { getRequestListener } from "@hono/node-server";
import type { Clock } from "./clock.ts";

export type FetchHandler = (request: Request) => Response | Promise<Response>;

export interface HttpListenerOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Open connections; one more is closed at once. */
  readonly maxConnections: number;
  /** Bytes of a request's head. */
  readonly maxHeaderBytes: number;
  /** From the first byte (or the connection) to the end of the head. */
  readonly headersTimeoutMs: number;
  /** From the first byte to the end of the body. */
  readonly requestTimeoutMs: number;
  /** An idle connection between requests. */
  readonly keepAliveTimeoutMs: number;
}

export interface HttpListener {
  readonly host: string;
  /** The port that was bound. */
  readonly port: number;
  /**
   * Stops accepting, closes idle connections, waits for open requests at most `graceMs`, then closes what is left. A
   * connection whose first request is still on its way has a moment to bring it.
   * Idempotent: a second call waits for the first.
   * @returns how many requests were cut off
   */
  stop(graceMs: number): Promise<number>;
}

/** Rejects when the address can't be bound; the error's message names it. */
export async function startHttpListener(options: HttpListenerOptions, handler: FetchHandler, clock: Clock): Promise<HttpListener> {
  const listen = getRequestListener(handler, { hostname: options.host });
  const connections = new Connections();
  const server = createServer(
    {
      maxHeaderSize: options.maxHeaderBytes,
      headersTimeout: options.headersTimeoutMs,
      requestTimeout: options.requestTimeoutMs,
      keepAliveTimeout: options.keepAliveTimeoutMs,
      // How late a timeout may be noticed.
      connectionsCheckingInterval: Math.max(50, Math.min(1_000, options.headersTimeoutMs / 4)),
      noDelay: true,
    },
    (incoming, outgoing) => {
      connections.begin(incoming.socket);
      outgoing.once("close", () => connections.end(incoming.socket));
      // Deno takes "node:http" and the library's "http" for two modules with equal types.
      Promise.resolve(listen(...([incoming, outgoing] as Parameters<typeof listen>))).catch(() => outgoing.destroy());
    },
  );
  server.maxConnections = options.maxConnections;
  server.on("connection", (socket) => connections.add(socket));
  await bind(server, options);

  let stopped: Promise<number> | null = null;
  return {
    host: options.host,
    port: (server.address() as AddressInfo).port,
    stop(graceMs) {
      stopped ??= stopListening(server, connections, clock, graceMs);
      return stopped;
    },
  };
}

function bind(server: Server, options: HttpListenerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error) => {
      reject(new Error(`Cannot listen on ${options.host}:${options.port}: ${cause.message}`, { cause }));
    };
    server.once("error", fail);
    server.listen(options.port, options.host, () => {
      server.removeListener("error", fail);
      resolve();
    });
  });
}

/** How long a connection that has been taken is waited for to bring its first request; they come together as a rule. */
const FIRST_REQUEST_MS = 250;

async function stopListening(server: Server, connections: Connections, clock: Clock, graceMs: number): Promise<number> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  connections.closeIdle();
  const firstRequests = clock.setTimer(Math.min(FIRST_REQUEST_MS, graceMs), () => connections.closeUnused());
  let cutOff = 0;
  const limit = clock.setTimer(graceMs, () => {
    cutOff = connections.destroyAll();
  });
  await closed;
  limit.cancel();
  firstRequests.cancel();
  return cutOff;
}

/** Which sockets are open, and how many requests each still owes an answer. */
class Connections {
  readonly #requests = new Map<Socket, number>();
  /** Those that have not brought a request yet. */
  readonly #unused = new Set<Socket>();
  #isClosing = false;

  add(socket: Socket): void {
    this.#requests.set(socket, 0);
    this.#unused.add(socket);
    socket.once("close", () => {
      this.#requests.delete(socket);
      this.#unused.delete(socket);
    });
  }

  begin(socket: Socket): void {
    this.#unused.delete(socket);
    const open = this.#requests.get(socket);
    if (open !== undefined) this.#requests.set(socket, open + 1);
  }

  end(socket: Socket): void {
    const open = this.#requests.get(socket);
    if (open === undefined) return;
    this.#requests.set(socket, open - 1);
    if (this.#isClosing && open === 1) socket.end();
  }

  /** From here on a connection ends with its last answer. */
  closeIdle(): void {
    this.#isClosing = true;
    for (const [socket, open] of this.#requests) if (open === 0 && !this.#unused.has(socket)) socket.destroy();
  }

  closeUnused(): void {
    for (const socket of this.#unused) socket.destroy();
  }

  /** @returns how many requests lost their answer */
  destroyAll(): number {
    let cutOff = 0;
    for (const [socket, open] of this.#requests) {
      cutOff += open;
      socket.destroy();
    }
    return cutOff;
  }
}
