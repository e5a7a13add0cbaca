/**
 * The HTTP listener: one handler behind `node:http`, on Deno and on Node alike. It speaks of requests and answers of its own,
 * since those that the web defines are costly to make for each request.
 *
 * `Deno.serve` answers 16 % more requests a second at 32 connections and 38 % at one, but it has no limit for a client that opens a connection and
 * never finishes its headers or its body, nor for the number of connections: such a client would hold them for ever.
 *
 * Invariants:
 *   L1. A connection that has sent no complete head after `headersTimeoutMs`, or no complete request after
 *       `requestTimeoutMs`, is answered 408 and closed.
 *   L2. After `stop` no request is accepted; one that was accepted gets its answer, until the grace has passed.
 *   L3. When a client goes away, `request.signal` aborts.
 *   L4. What a client goes on sending after its answer is read for `DRAIN_MS` at most, then its connection is closed.
 *   L5. A client that takes nothing of its answer for `requestTimeoutMs`, at most twice that, loses its connection: it would
 *       hold the answer, and what a stream's end gives back, for as long as it likes.
 *   L6. Over TLS, where clients are to show a certificate, one without a good one gets no further than the handshake, which
 *       may take `headersTimeoutMs`.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import process from "node:process";
import type { Clock, Timer } from "./clock.ts";
import { type HttpAnswer, type HttpRequest, IncomingRequest, sendAnswer } from "./http_message.ts";

/** Answers a request. What it throws is answered 500; a handler that can say more must not throw. */
export type HttpHandler = (request: HttpRequest) => HttpAnswer | Promise<HttpAnswer>;

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

/** What the listener shows, and whom it believes: PEM. */
export interface TlsMaterial {
  readonly cert: string;
  readonly key: string;
  /** Who signs clients' certificates; null: none is asked for. */
  readonly clientCa: string | null;
}

const MIN_TLS_VERSION = "TLSv1.2";

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
  /** Connections from now on get these, which must be a pair. Throws where the listener is a plain one. */
  replaceTls(material: TlsMaterial): void;
}

/**
 * Rejects when the address can't be bound; the error's message names it.
 * @param tls null: plain HTTP
 */
export async function startHttpListener(
  options: HttpListenerOptions,
  handler: HttpHandler,
  clock: Clock,
  tls: TlsMaterial | null = null,
): Promise<HttpListener> {
  const connections = new Connections();
  const limits = {
    maxHeaderSize: options.maxHeaderBytes,
    headersTimeout: options.headersTimeoutMs,
    requestTimeout: options.requestTimeoutMs,
    keepAliveTimeout: options.keepAliveTimeoutMs,
    // How late a timeout may be noticed.
    connectionsCheckingInterval: Math.max(50, Math.min(1_000, options.headersTimeoutMs / 4)),
    noDelay: true,
  };
  const take = (received: unknown, answering: unknown) => {
    // Deno's own types of this callback lag behind those of the package.
    const [incoming, outgoing] = [received as IncomingMessage, answering as ServerResponse];
    const { socket } = incoming;
    const request = IncomingRequest.of(incoming);
    connections.begin(socket, outgoing);
    outgoing.on("close", () => {
      connections.end(socket, outgoing);
      if (!outgoing.writableFinished || (incoming.destroyed && !incoming.complete)) request?.leave();
      else if (!incoming.complete) letRunOut(incoming, clock);
    });
    if (request === null) sendAnswer(outgoing, BAD_REQUEST);
    else process.nextTick(whenArrived, incoming, () => respond(handler, request, outgoing));
  };
  const server: Server | TlsServer =
    tls === null
      ? createServer(limits, take)
      : createTlsServer({ ...limits, ...tlsOptions(tls), handshakeTimeout: options.headersTimeoutMs }, take);
  server.maxConnections = options.maxConnections;
  if (tls === null) server.on("connection", (socket: Socket) => connections.add(socket));
  else {
    server.on("connection", (socket: Socket) => connections.addHandshake(socket));
    server.on("secureConnection", (socket: Socket) => connections.add(socket));
    // A client that was not let in, or has left: its connection is closed already.
    server.on("tlsClientError", (_error: Error, socket: Socket) => socket.destroy());
  }
  await bind(server, options);
  const stalls = watchStalls(connections, clock, options.requestTimeoutMs);

  let stopped: Promise<number> | null = null;
  return {
    host: options.host,
    port: (server.address() as AddressInfo).port,
    stop(graceMs) {
      stopped ??= stopListening(server, connections, clock, graceMs).finally(() => stalls.cancel());
      return stopped;
    },
    replaceTls(material) {
      if (!("setSecureContext" in server)) throw new TypeError("A plain listener has no certificate to replace");
      server.setSecureContext(tlsOptions(material));
    },
  };
}

function tlsOptions({ cert, key, clientCa }: TlsMaterial) {
  const clients = clientCa === null ? {} : { ca: clientCa, requestCert: true, rejectUnauthorized: true };
  return { cert, key, minVersion: MIN_TLS_VERSION, ...clients } as const;
}

const BAD_REQUEST: HttpAnswer = { status: 400, headers: { connection: "close" }, body: null };
const FAILED: HttpAnswer = { status: 500, headers: { connection: "close" }, body: null };

/** A short body comes with its head: a moment later it has been read, on Deno and on Node at another one, and nobody has to wait for it. */
function whenArrived(incoming: IncomingMessage, go: () => void): void {
  if (incoming.complete) go();
  else setImmediate(go);
}

function respond(handler: HttpHandler, request: HttpRequest, outgoing: ServerResponse): void {
  const fail = () => {
    if (outgoing.headersSent) outgoing.destroy();
    else sendAnswer(outgoing, FAILED);
  };
  try {
    const answer = handler(request);
    if (answer instanceof Promise) answer.then((ready) => sendAnswer(outgoing, ready)).catch(fail);
    else sendAnswer(outgoing, answer)?.catch(fail);
  } catch {
    fail();
  }
}

/** L5 */
function watchStalls(connections: Connections, clock: Clock, pauseMs: number): Timer {
  let timer: Timer;
  const look = () => {
    connections.destroyStalled();
    timer = clock.setTimer(pauseMs, look);
  };
  timer = clock.setTimer(pauseMs, look);
  return { cancel: () => timer.cancel() };
}

/** How long, and how much, a client may go on sending a body that nobody reads: it meets its answer then, not a reset connection. */
const DRAIN_MS = 500;
const MAX_DRAINED_BYTES = 64 * 1_048_576;

function letRunOut(incoming: IncomingMessage, clock: Clock): void {
  if (incoming.destroyed) return;
  const { socket } = incoming;
  const limit = clock.setTimer(DRAIN_MS, () => socket.destroySoon());
  let bytes = 0;
  incoming.on("data", (piece: Uint8Array) => {
    bytes += piece.length;
    if (bytes > MAX_DRAINED_BYTES) socket.destroySoon();
  });
  incoming.once("end", () => limit.cancel());
  socket.once("close", () => limit.cancel());
  incoming.resume();
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

const otherEnd = ({ remoteAddress, remotePort }: Socket) => `${remoteAddress} ${remotePort}`;

/** Which sockets are open, and how many requests each still owes an answer. */
class Connections {
  readonly #requests = new Map<Socket, number>();
  /** Those that have not brought a request yet. */
  readonly #unused = new Set<Socket>();
  /** Those that are not agreed on TLS yet, by the other end's address. */
  readonly #handshakes = new Map<string, Socket>();
  /** Those that are not sent to their end, in the order of their requests. */
  readonly #answers = new Map<ServerResponse, Socket>();
  /** Of them those that waited to be taken at the last look, and still do. */
  readonly #waiting = new WeakSet<ServerResponse>();
  #isClosing = false;

  addHandshake(socket: Socket): void {
    const end = otherEnd(socket);
    this.#handshakes.set(end, socket);
    socket.once("close", () => this.#handshakes.get(end) === socket && this.#handshakes.delete(end));
  }

  add(socket: Socket): void {
    this.#handshakes.delete(otherEnd(socket));
    this.#requests.set(socket, 0);
    this.#unused.add(socket);
    socket.once("close", () => {
      this.#requests.delete(socket);
      this.#unused.delete(socket);
    });
  }

  begin(socket: Socket, outgoing: ServerResponse): void {
    this.#unused.delete(socket);
    this.#answers.set(outgoing, socket);
    const open = this.#requests.get(socket);
    if (open !== undefined) this.#requests.set(socket, open + 1);
  }

  end(socket: Socket, outgoing: ServerResponse): void {
    this.#answers.delete(outgoing);
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
    for (const socket of this.#handshakes.values()) socket.destroy();
  }

  /** Ends those of which something waits to be taken, and nothing was since the last call. Of one connection the others wait for the first. */
  destroyStalled(): void {
    const seen = new Set<Socket>();
    for (const [outgoing, socket] of this.#answers) {
      if (seen.has(socket)) continue;
      seen.add(socket);
      const isWaiting = outgoing.writableNeedDrain || (outgoing.writableEnded && !outgoing.writableFinished);
      if (!isWaiting) continue;
      if (this.#waiting.has(outgoing)) outgoing.destroy();
      this.#waiting.add(outgoing);
      outgoing.once("drain", () => this.#waiting.delete(outgoing));
    }
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
