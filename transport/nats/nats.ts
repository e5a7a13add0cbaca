import type { Clock } from "../../runtime/clock.ts";
import type { Logger } from "../../telemetry/logs.ts";
import type { Endpoint, Handler, MessageHeaders, StreamEndpoint, StreamHandler, StreamTransport, Transport } from "../transport.ts";
import { Answering } from "./answering.ts";
import { Asking } from "./asking.ts";
import type { NatsLink } from "./link.ts";

export interface NatsTransportOptions {
  readonly link: NatsLink;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Counts what should be rare, by kind: `late_reply`, `asker_gone`, `malformed_request`, … */
  readonly count: (event: string) => void;
  /** This node's name, one token of a subject. */
  readonly self: string;
  /** Requests of other nodes that are answered at once; beyond it `overloaded`. */
  readonly maxInFlight: number;
  /** Whether another node has this one's name, and answers what is asked of it. @default never */
  readonly isSilent?: () => boolean;
}

/**
 * The Transport port over NATS, from node to node: requests go to `kennel.v1.node.{node}.{endpoint}`, handlers serve this
 * node's own. While the node is cut off, requests are refused with `unavailable`, and what was under way fails with it.
 */
export interface NatsTransport extends Transport, StreamTransport {
  readonly kind: "nats";
  /** The node that requests go to. */
  readonly node: string;
  /** The same transport, its handlers and its connection, with requests that go to another node. */
  to(node: string): NatsTransport;
  /** Requests of other nodes that are being answered. */
  readonly inFlight: number;
}

/** @returns the transport whose requests go to this node itself; see `to` */
export function natsTransport(options: NatsTransportOptions): NatsTransport {
  return new OverNats(new Asking(options), new Answering(options), options.self, { closing: null });
}

class OverNats implements NatsTransport {
  readonly kind = "nats";
  readonly node: string;
  readonly #asking: Asking;
  readonly #answering: Answering;
  readonly #life: { closing: Promise<void> | null };

  constructor(asking: Asking, answering: Answering, node: string, life: { closing: Promise<void> | null }) {
    this.#asking = asking;
    this.#answering = answering;
    this.node = node;
    this.#life = life;
  }

  to(node: string): NatsTransport {
    return node === this.node ? this : new OverNats(this.#asking, this.#answering, node, this.#life);
  }

  get isConnected(): boolean {
    return this.#asking.isOpen;
  }

  get inFlight(): number {
    return this.#answering.inFlight;
  }

  serve<Request, Answer>(endpoint: Endpoint<Request, Answer>, handler: Handler<Request, Answer>): void {
    this.#answering.serve(endpoint.name, { kind: "one", handle: handler });
  }

  /** What another node keeps is not known here. */
  ready(): null {
    return null;
  }

  request<Request, Answer>(
    endpoint: Endpoint<Request, Answer>,
    request: Request,
    headers: MessageHeaders,
    signal: AbortSignal,
  ): Promise<Answer> {
    return this.#asking.request(this.node, endpoint.name, request, headers, signal) as Promise<Answer>;
  }

  serveStream<Request, Chunk>(endpoint: StreamEndpoint<Request, Chunk>, handler: StreamHandler<Request, Chunk>): void {
    this.#answering.serve(endpoint.name, { kind: "stream", handle: handler });
  }

  stream<Request, Chunk>(
    endpoint: StreamEndpoint<Request, Chunk>,
    request: Request,
    headers: MessageHeaders,
    signal: AbortSignal,
  ): AsyncIterable<Chunk> {
    return this.#asking.stream(this.node, endpoint.name, request, headers, signal) as AsyncIterable<Chunk>;
  }

  close(limitMs: number): Promise<void> {
    this.#life.closing ??= Promise.all([this.#asking.close(limitMs), this.#answering.close(limitMs)]).then(() => undefined);
    return this.#life.closing;
  }
}
