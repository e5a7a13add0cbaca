/**
 * The service `kennel`: questions that come over NATS, answered by the routes of the HTTP bridge. Bodies, checks, deadlines,
 * limits and errors are therefore the same.
 *
 * Invariants:
 *   B1. Every message with a reply subject gets one answer, or chunks and one empty message, while there is a connection; one
 *       whose subject is not a client's to name gets none (reply_subjects.ts).
 *   B2. The service is registered once for each client, and again where NATS has ended it.
 *   B3. A stream that captures the subjects of questions is reported as long as it does.
 */
import type { MsgHdrs, NatsConnection, Service, ServiceMsg } from "nats";
import type { Clock, Timer } from "../../runtime/clock.ts";
import { kennelError, toKennelError } from "../../runtime/errors.ts";
import type { Logger } from "../../telemetry/logs.ts";
import type { NatsLink } from "../../transport/nats/link.ts";
import { Returns } from "../../transport/nats/returns.ts";
import { SUBJECT_ROOT } from "../../transport/nats/subjects.ts";
import { wellFormedId } from "../http/request_ids.ts";
import type { Bridge } from "../http/server.ts";
import { isoTime } from "../schema/times.ts";
import { type CapturedSubject, capturedSubjects } from "./captured_subjects.ts";
import { EndpointStatistics } from "./endpoint_statistics.ts";
import { endpointSchemas, NATS_ENDPOINTS, type NatsEndpoint, subjectOn } from "./endpoints.ts";
import { MessageRequest } from "./message_request.ts";
import { Reply } from "./replies.ts";
import { answeringSafely } from "./reply_subjects.ts";

export interface NatsMetrics {
  count(event: string): void;
  answered(request: { readonly endpoint: string; readonly status: number; readonly durationMs: number }): void;
}

export interface NatsBridgeParts {
  readonly link: NatsLink;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: NatsMetrics;
  /** Kennel's, as `1.2.3`. */
  readonly version: string;
  /** This node's name. */
  readonly node: string;
  /** Pause between two looks at the streams. */
  readonly streamCheckMs: number;
  /** Whether answers go to `_INBOX.>` alone (reply_subjects.ts). */
  readonly isInboxOnly: boolean;
}

const SERVICE = "kennel";
const DESCRIPTION = "Retrieval for RAG: questions, conversations and documents";
/** Nodes share each message between them. */
const QUEUE = "kennel";
/** After NATS has ended the service: a user that lacks a permission, which an operator may give it. */
const REGISTER_AGAIN_MS = 30_000;
const SCHEMAS = `${SUBJECT_ROOT}.schema`;
/** Where an answer of a stream would come between an asker and this node. */
const WATCHED: readonly string[] = [...NATS_ENDPOINTS.map(({ subject }) => subject), SCHEMAS, `${SUBJECT_ROOT}.node.>`];

export class NatsBridge {
  readonly link: NatsLink;
  readonly #parts: NatsBridgeParts;
  readonly #returns: Returns;
  readonly #statistics = new Map(NATS_ENDPOINTS.map(({ name }) => [name, new EndpointStatistics()]));
  #bridge: Bridge | null = null;
  #service: Service | null = null;
  #captured: readonly CapturedSubject[] | null = null;
  #check: Timer | null = null;
  #again: Timer | null = null;
  /** The client that the service is registered with, or is about to be. */
  #registered: NatsConnection | null = null;
  #isAnswering = true;
  #isStopped = false;

  constructor(parts: NatsBridgeParts) {
    this.#parts = parts;
    this.link = parts.link;
    this.#returns = new Returns(parts.link.inboxPrefix, () => parts.metrics.count("asker_gone"));
  }

  /** Registers the service as soon as there is a connection, and for every later one. */
  serve(bridge: Bridge): void {
    this.#bridge = bridge;
    this.link.attach({
      onClient: (client) => this.#returns.subscribe(client),
      onConnected: () => {
        this.#look();
        this.#ensure();
      },
    });
    this.link.start();
  }

  /** Whether clients' messages are taken; nodes with other stores on the same NATS would have other answers to them. */
  setAnswering(isAnswering: boolean): void {
    if (isAnswering === this.#isAnswering) return;
    this.#isAnswering = isAnswering;
    this.#again?.cancel();
    if (isAnswering) this.#ensure();
    else {
      this.#registered = null;
      void this.#service?.stop().catch(() => null);
    }
  }

  /** As `nats` in `GET /v1/status`. */
  status(): object {
    const { state, connections, denied } = this.link;
    return {
      state: state.kind,
      since: isoTime(state.sinceMs),
      server: state.kind === "connected" ? state.server : null,
      cause: state.kind === "isolated" ? state.cause : null,
      connections,
      denied,
      service: this.#serviceState(),
      captured: this.#captured,
    };
  }

  #serviceState(): "running" | "yields" | "stopped" {
    if (this.#isStopped || this.#service === null) return "stopped";
    if (!this.#isAnswering) return "yields";
    return this.#service.isStopped ? "stopped" : "running";
  }

  /** Takes no further messages; those under way are answered. Resolves when NATS knows, or after `limitMs`. */
  async leave(limitMs: number): Promise<void> {
    this.#isStopped = true;
    this.#check?.cancel();
    this.#again?.cancel();
    if (this.#service === null || !this.link.isConnected) return;
    const limit = new AbortController();
    const limited = this.#parts.clock.sleep(limitMs, limit.signal).catch(() => {});
    await Promise.race([this.#service.stop().catch(() => null), limited]);
    limit.abort();
  }

  /** B2 */
  #ensure(): void {
    const { client } = this.link;
    if (client !== null && client !== this.#registered) void this.#register(client);
  }

  async #register(client: NatsConnection): Promise<void> {
    if (this.#isStopped || !this.#isAnswering || client.isClosed()) return;
    this.#registered = client;
    const { version, node, logger, metrics, clock } = this.#parts;
    try {
      const service = await answeringSafely(client, this.#parts.isInboxOnly, () => metrics.count("foreign_reply_subject")).services.add({
        name: SERVICE,
        version,
        description: DESCRIPTION,
        queue: QUEUE,
        metadata: { node, schema: SCHEMAS },
        statsHandler: (endpoint) => this.#measure(endpoint),
      });
      if (this.#isStopped || this.#registered !== client) return void (await service.stop());
      this.#service = service;
      for (const endpoint of NATS_ENDPOINTS) this.#add(service, endpoint);
      service.addEndpoint("schema", {
        subject: SCHEMAS,
        metadata: { description: "JSON Schemas of all bodies" },
        handler: (_error, message) => message.respond(endpointSchemas()),
      });
      void service.stopped.then((reason) => {
        if (this.#isStopped || reason === null || client.isClosed()) return;
        metrics.count("service_stopped");
        logger.error("NATS has ended the service of this node: its user may lack the permission to subscribe; it is registered again");
        this.#again?.cancel();
        this.#again = clock.setTimer(REGISTER_AGAIN_MS, () => void this.#register(client)); // B2
      });
    } catch (thrown) {
      this.#registered = null; // tried again with the next connection
      metrics.count("service_stopped");
      logger.error({ err: thrown }, "the service could not be registered with NATS");
    }
  }

  #add(service: Service, endpoint: NatsEndpoint): void {
    const { name, description } = endpoint;
    service.addEndpoint(name, {
      subject: subjectOn(endpoint, this.#parts.node),
      metadata: { description, format: "application/json", schema: SCHEMAS },
      handler: (error, message) => {
        if (error === null) void this.#take(endpoint, message);
      },
    });
  }

  /** Never rejects. */
  async #take(endpoint: NatsEndpoint, message: ServiceMsg): Promise<void> {
    const { clock, metrics, logger } = this.#parts;
    const startedMs = clock.monotonicMs();
    if (message.reply === "") return metrics.count("no_reply_subject");
    const reply = new Reply(message, {
      maxPayloadBytes: this.link.maxPayloadBytes,
      isConnected: () => this.link.isConnected,
      count: (event) => metrics.count(event),
    });
    let status = 500;
    let failure: string | null = null;
    let requestId: string | null = null;
    try {
      const headers = headersOf(message);
      requestId = wellFormedId(headers?.get("X-Request-Id") ?? null);
      status = await this.#answer(endpoint, message, headers, reply);
      if (status >= 400) failure = String(status);
    } catch (thrown) {
      const error = toKennelError(thrown);
      status = error.code === "invalid_request" ? 400 : 500;
      failure = error.code;
      if (error.code === "internal") logger.error({ endpoint: endpoint.name, err: error.cause }, "a message failed inside the server");
      reply.failed(error, requestId ?? "");
    }
    const durationMs = clock.monotonicMs() - startedMs;
    metrics.answered({ endpoint: endpoint.name, status, durationMs });
    this.#statistics.get(endpoint.name)?.answered(durationMs, failure);
  }

  /** @returns the status of the answer, as HTTP has it */
  async #answer(endpoint: NatsEndpoint, message: ServiceMsg, headers: MsgHdrs | undefined, reply: Reply): Promise<number> {
    const bridge = this.#bridge;
    if (bridge === null) throw kennelError("unavailable");
    const token = message.subject.slice(message.subject.lastIndexOf(".") + 1);
    const { method, target, body } = endpoint.ask(token, message.data);
    const request = new MessageRequest(method, target, body, headers);
    const answer = await bridge.answer(request, "nats");
    if (answer.stream === undefined) {
      reply.whole(answer, this.#returns.whole);
      return answer.status;
    }
    const returns = this.#returns.open(() => request.leave());
    try {
      await reply.chunks(answer.stream, answer.headers, returns, () => request.signal.aborted);
    } finally {
      this.#returns.close(returns);
    }
    return answer.status;
  }

  /** The client hands over the endpoint whose figures it is about to send. */
  #measure(endpoint: object): Promise<unknown> {
    const { name, stats } = endpoint as { readonly name?: string; readonly stats?: object };
    const own = this.#statistics.get(name ?? "");
    if (own !== undefined && stats !== undefined) Object.assign(stats, own.read());
    return Promise.resolve(null);
  }

  /** B3: now, and after every pause while there is a connection. */
  #look(): void {
    this.#check?.cancel();
    const { client } = this.link;
    if (client === null || this.#isStopped) return;
    const { clock, logger, metrics, streamCheckMs } = this.#parts;
    this.#check = clock.setTimer(streamCheckMs, () => this.#look());
    capturedSubjects(client, WATCHED).then(
      (captured) => {
        this.#captured = captured;
        for (const { subject, stream } of captured ?? []) {
          metrics.count("captured_subject");
          logger.error(
            { stream, subject },
            "a stream captures the subjects of questions and answers in Kennel's place: remove its subject",
          );
        }
      },
      (err) => logger.warn({ err }, "the streams' subjects could not be looked at"),
    );
  }
}

/** Throws `invalid_request`: a line end alone gets through NATS' protocol, and its client reads no such header. */
function headersOf(message: ServiceMsg): MsgHdrs | undefined {
  try {
    return message.headers;
  } catch {
    throw kennelError("invalid_request", {
      message: "The message's headers cannot be read: one has a control character",
      param: "headers",
    });
  }
}
