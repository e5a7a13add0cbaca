/**
 * A node's connection to NATS, which mends itself for ever. The client reconnects by itself; where it gives up (its
 * credentials cannot be read, the first connection fails) a new client is made.
 *
 * Invariants:
 *   L1. One client at a time; whoever is attached is told of each new one before anyone is told that it is connected.
 *   L2. `isConnected` turns false as soon as the connection is known to be lost, and what is lost with it is told then, once.
 *   L3. Nothing secret is ever in the state, a log line or an error: causes are the client's codes.
 */
import { Events, type NatsConnection, NatsError, type Status } from "nats";
import type { Clock } from "../../runtime/clock.ts";
import { type KennelError, kennelError } from "../../runtime/errors.ts";
import type { Random } from "../../runtime/random.ts";
import type { Logger } from "../../telemetry/logs.ts";
import { connectClient } from "./client.ts";
import { authenticatorOf, type NatsCredentials, type NatsTls, tlsOptions } from "./credentials.ts";

export interface NatsLinkOptions {
  /** `host:port`; where the connection is lost, they take turns. */
  readonly servers: readonly string[];
  /** How NATS' own tools call this connection. */
  readonly name: string;
  readonly credentials: NatsCredentials;
  /** Null: TLS only where the server asks for it. */
  readonly tls: NatsTls | null;
  readonly connectTimeoutMs: number;
  /** A server that has left two pings in a row unanswered counts as gone. */
  readonly pingIntervalMs: number;
  /** First pause between two attempts, doubled up to `maxReconnectMs`; half of it is drawn. */
  readonly reconnectMs: number;
  readonly maxReconnectMs: number;
  /** What reply subjects begin with, where an account may not use `_INBOX`. */
  readonly inboxPrefix: string;
}

export type LinkState =
  /** The first attempt runs. */
  | { readonly kind: "connecting"; readonly sinceMs: number }
  | { readonly kind: "connected"; readonly sinceMs: number; readonly server: string }
  /** Cut off: there is no connection, and one is tried for again and again. */
  | { readonly kind: "isolated"; readonly sinceMs: number; readonly cause: string }
  | { readonly kind: "closed"; readonly sinceMs: number };

/** What depends on the connection. */
export interface LinkUser {
  /** Subscribes; what is subscribed comes back by itself after a lost connection, until there is a new client. */
  onClient?(client: NatsConnection): void;
  onConnected?(): void;
  /** What was under way has no answer to wait for any more. */
  onCutOff?(error: KennelError): void;
  /** This node's user lacks a permission. */
  onDenied?(operation: string, subject: string): void;
}

export interface LinkParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Counts what should be rare, by kind. */
  readonly count: (event: string) => void;
}

/** Pings without an answer after which a connection is given up. */
const MAX_PINGS_OUT = 2;
const MAX_DENIED = 32;

export class NatsLink {
  readonly #options: NatsLinkOptions;
  readonly #parts: LinkParts;
  readonly #users = new Set<LinkUser>();
  readonly #closing = new AbortController();
  readonly #denied = new Set<string>();
  #state: LinkState;
  #client: NatsConnection | null = null;
  #running: Promise<void> | null = null;
  #connections = 0;
  /** Attempts since the last connection. */
  #attempts = 0;

  constructor(options: NatsLinkOptions, parts: LinkParts) {
    this.#options = options;
    this.#parts = parts;
    this.#state = { kind: "connecting", sinceMs: parts.clock.wallMs() };
  }

  get state(): LinkState {
    return this.#state;
  }

  get isConnected(): boolean {
    return this.#state.kind === "connected";
  }

  /** Connections since the start, the first one included. */
  get connections(): number {
    return this.#connections;
  }

  /** What this node's user may not do, as `publish SUBJECT`. */
  get denied(): readonly string[] {
    return [...this.#denied];
  }

  /** The client of the connection that holds; null: cut off. For JetStream and whatever else NATS does itself. */
  get client(): NatsConnection | null {
    return this.isConnected ? this.#client : null;
  }

  get inboxPrefix(): string {
    return this.#options.inboxPrefix;
  }

  /** Bytes of the largest message, headers included; what is not known yet is NATS' own default. */
  get maxPayloadBytes(): number {
    return this.#client?.info?.max_payload ?? 1_048_576;
  }

  /** @returns what detaches it again */
  attach(user: LinkUser): () => void {
    this.#users.add(user);
    if (this.#client !== null && !this.#client.isClosed()) user.onClient?.(this.#client);
    return () => this.#users.delete(user);
  }

  /** Connects in the background, for ever. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Resolves when there is a connection; rejects with the signal's reason. */
  untilConnected(signal: AbortSignal): Promise<void> {
    if (this.isConnected) return Promise.resolve();
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const done = () => {
        detach();
        signal.removeEventListener("abort", onAbort);
      };
      const onAbort = () => {
        done();
        reject(signal.reason);
      };
      const detach = this.attach({
        onConnected: () => {
          done();
          resolve();
        },
      });
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  /** Sends what is still to be sent, within `limitMs`, and ends the connection. Idempotent. */
  async close(limitMs: number): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort(kennelError("draining"));
    const limit = new AbortController();
    const limited = this.#parts.clock.sleep(limitMs, limit.signal).catch(() => {});
    await Promise.race([this.#end(), limited]); // a server that hangs takes neither what is sent nor the end
    limit.abort();
    this.#cutOff(kennelError("draining", { message: "Node stopped before the answer was ready" }));
    this.#become({ kind: "closed", sinceMs: this.#parts.clock.wallMs() });
  }

  async #end(): Promise<void> {
    if (this.isConnected) await this.#client?.flush().catch(() => {});
    await this.#client?.close().catch(() => {});
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        const client = await connectClient(this.#connectOptions());
        if (signal.aborted) return void (await client.close());
        this.#adopt(client);
        const ended = await client.closed();
        this.#lose(ended instanceof Error ? causeOf(ended) : "CONNECTION_CLOSED");
      } catch (thrown) {
        this.#parts.count("attempt_failed");
        this.#lose(causeOf(thrown));
      }
      await this.#parts.clock.sleep(this.#pauseMs(), signal).catch(() => {}); // closed: the loop ends
    }
  }

  #connectOptions() {
    const { servers, name, credentials, tls, connectTimeoutMs, pingIntervalMs, inboxPrefix } = this.#options;
    return {
      servers: [...servers],
      name,
      authenticator: authenticatorOf(credentials),
      ...(tls === null ? {} : { tls: tlsOptions(tls) }),
      timeout: connectTimeoutMs,
      pingInterval: pingIntervalMs,
      maxPingOut: MAX_PINGS_OUT,
      inboxPrefix,
      maxReconnectAttempts: -1,
      ignoreAuthErrorAbort: true, // an operator who mends an account needs to restart nobody
      reconnectDelayHandler: () => this.#pauseMs(),
      ignoreClusterUpdates: true, // a node is permitted the addresses that it was given
      resolve: false,
      noAsyncTraces: true,
    };
  }

  /** Equal jitter, so that nodes that lost the same server do not come back at the same moment. */
  #pauseMs(): number {
    const { reconnectMs, maxReconnectMs } = this.#options;
    const fullMs = Math.min(maxReconnectMs, reconnectMs * 2 ** Math.min(this.#attempts++, 20));
    return fullMs / 2 + (fullMs / 2) * this.#parts.random.next();
  }

  #adopt(client: NatsConnection): void {
    this.#client = client;
    void this.#follow(client);
    for (const user of this.#users) user.onClient?.(client); // L1
    this.#connected(client);
  }

  async #follow(client: NatsConnection): Promise<void> {
    for await (const status of client.status()) {
      if (this.#client !== client || this.#closing.signal.aborted) return;
      this.#note(client, status);
    }
  }

  #note(client: NatsConnection, status: Status): void {
    switch (status.type) {
      case Events.Disconnect:
        this.#lose("DISCONNECT");
        break;
      case Events.Reconnect:
        this.#connected(client);
        break;
      case Events.LDM:
        this.#parts.logger.info("this NATS server is about to stop; the connection moves to another one when it does");
        break;
      case Events.Error:
        this.#failed(status);
        break;
      default:
    }
  }

  #failed({ data, permissionContext }: Status): void {
    if (permissionContext === undefined) {
      this.#parts.count("server_error");
      this.#parts.logger.warn({ code: String(data) }, "NATS reports an error");
      return;
    }
    const { operation, subject } = permissionContext;
    if (this.#denied.size < MAX_DENIED) this.#denied.add(`${operation} ${subject}`);
    this.#parts.count("permission_denied");
    this.#parts.logger.error({ operation, subject }, "NATS refuses this node a subject: its user lacks the permission");
    for (const user of this.#users) user.onDenied?.(operation, subject);
  }

  #connected(client: NatsConnection): void {
    this.#attempts = 0;
    this.#connections++;
    this.#denied.clear();
    const server = client.info?.server_name ?? "unknown";
    this.#become({ kind: "connected", sinceMs: this.#parts.clock.wallMs(), server });
    this.#parts.logger.info({ server }, "connected to NATS");
    for (const user of this.#users) user.onConnected?.();
  }

  #lose(cause: string): void {
    if (this.#closing.signal.aborted) return;
    if (this.#state.kind === "isolated") {
      if (this.#state.cause !== cause) this.#become({ ...this.#state, cause });
      return;
    }
    this.#become({ kind: "isolated", sinceMs: this.#parts.clock.wallMs(), cause }); // L2
    this.#parts.count("cut_off");
    this.#parts.logger.warn({ cause }, "cut off from NATS: this node goes on over HTTP and tries to connect again");
    this.#cutOff(kennelError("unavailable", { message: "The connection to NATS was lost before the answer came" }));
  }

  #cutOff(error: KennelError): void {
    for (const user of this.#users) user.onCutOff?.(error);
  }

  #become(state: LinkState): void {
    this.#state = state;
  }
}

/** L3: the client's own code, never its words, which may quote an address. */
function causeOf(thrown: unknown): string {
  if (thrown instanceof NatsError) return thrown.code;
  const code = (thrown as { readonly code?: unknown } | null)?.code;
  return typeof code === "string" ? code : "CONNECT_FAILED";
}
