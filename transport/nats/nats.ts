import type { Clock } from "../../runtime/clock.ts";
import type { Logger } from "../../telemetry/logs.ts";
import { NO_TRACER, type Tracer } from "../../telemetry/tracing.ts";
import type { Endpoint, Handler, MessageHeaders, StreamEndpoint, StreamHandler, StreamTransport, Transport } from "../transport.ts";
import { Answering } from "./answering.ts";
import { Asking } from "./asking.ts";
import type { NatsLink } from "./link.ts";
import { answeredHere, askedAcross, streamedAcross, streamedHere } from "./traced_hops.ts";

export interface NatsTransportOptions {
  readonly link: NatsLink;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Carries traces from node to node. @default nothing is traced; a caller's `traceparent` goes along as it is */
  readonly tracer?: Tracer;
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
  return new OverNats(new Asking(options), new Answering(options), options.self, {
    closing: null,
    tracer: options.tracer ?? NO_TRACER,
  });
}

/** What the views of one connection share. */
interface Life {
  closing: Promise<void> | null;
  readonly tracer: Tracer;
}

class OverNats implements NatsTransport {
  readonly kind = "nats";
  readonly node: string;
  readonly #asking: Asking;
  readonly #answering: Answering;
  readonly #life: Life;

  constructor(asking: Asking, answering: Answering, node: string, life: Life) {
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
    this.#answering.serve(endpoint.name, { kind: "one", handle: answeredHere(this.#life.tracer, endpoint.name, handler) });
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
    const { name } = endpoint;
    return askedAcross(this.#life.tracer, this.node, name, headers, (sent) =>
      this.#asking.request(this.node, name, request, sent, signal),
    ) as Promise<Answer>;
  }

  serveStream<Request, Chunk>(endpoint: StreamEndpoint<Request, Chunk>, handler: StreamHandler<Request, Chunk>): void {
    this.#answering.serve(endpoint.name, { kind: "stream", handle: streamedHere(this.#life.tracer, endpoint.name, handler) });
  }

  stream<Request, Chunk>(
    endpoint: StreamEndpoint<Request, Chunk>,
    request: Request,
    headers: MessageHeaders,
    signal: AbortSignal,
  ): AsyncIterable<Chunk> {
    const { name } = endpoint;
    return streamedAcross(this.#life.tracer, this.node, name, headers, (sent) =>
      this.#asking.stream(this.node, name, request, sent, signal),
    ) as AsyncIterable<Chunk>;
  }

  close(limitMs: number): Promise<void> {
    this.#life.closing ??= Promise.all([this.#asking.close(limitMs), this.#answering.close(limitMs)]).then(() => undefined);
    return this.#life.closing;
  }
}
