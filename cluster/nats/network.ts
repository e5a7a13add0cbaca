import type { NatsConnection, Subscription } from "nats";
import { type KennelError, toKennelError } from "../../runtime/errors.ts";
import type { NatsLink } from "../../transport/nats/link.ts";
import type { Control } from "../lease/control.ts";
import { type Digest, encodeDigest, parseDigest } from "../membership/digest.ts";
import type { Seat } from "../membership/groups.ts";
import { encodeHeartbeatWithin, type Heartbeat, parseHeartbeat } from "../membership/heartbeat.ts";
import type { ClusterNetwork } from "../ports.ts";
import type { RouteError } from "../router/route.ts";
import { LeaseBucket } from "./lease_bucket.ts";
import {
  CHANGES_SUBJECT,
  type CollectionChange,
  controlSubject,
  DIGEST_SUBJECT,
  encodeChange,
  encodeControl,
  groupSubject,
  HEARTBEAT_SUBJECT,
  parseChange,
  parseControl,
  readReady,
} from "./wire.ts";

export interface ClusterListeners {
  /** @param seat the group that it came in; null: it was to all */
  heartbeat(beat: Heartbeat, seat: Seat | null): void;
  digest(digest: Digest): void;
  control(control: Control): void;
  change(change: CollectionChange): void;
  /** Messages may have been missed until now: there is a connection, the first or a new one. */
  connected(): void;
}

export interface NatsNetworkParts<Request, Answer> {
  readonly link: NatsLink;
  /** What the nodes of this cluster say of their stores: one token of a subject. */
  readonly stores: string;
  /** Asks another node. Rejects with a `KennelError`. */
  ask(node: string, request: Request, timeoutMs: number, signal: AbortSignal): Promise<Answer>;
  /** Asks another node which collections are ready there, see `readyToWire`. */
  askReady(node: string, timeoutMs: number): Promise<unknown>;
  /** Counts what should be rare: `malformed_heartbeat`, … */
  readonly count: (event: string) => void;
  /** Keeps what this node tells as the leader for those who come later. */
  readonly keepControl: (control: Control) => void;
}

export interface NatsNetwork<Request, Answer> extends ClusterNetwork<Request, Answer> {
  publishChange(change: Omit<CollectionChange, "stores">): void;
  /** @returns ends it */
  listen(listeners: ClusterListeners): () => void;
}

/** The cluster's network over NATS: what all are to hear by publishing, the lease in JetStream, queries over the transport. */
export function natsNetwork<Request, Answer>({
  link,
  stores,
  ask,
  askReady,
  count,
  keepControl,
}: NatsNetworkParts<Request, Answer>): NatsNetwork<Request, Answer> {
  const groups = new HeardGroups(link, stores, count);
  const lease = new LeaseBucket(`leader.${stores}`);
  const publish = (subject: string, text: string): void => {
    if (text.length > link.maxPayloadBytes) count("oversized_publication");
    else link.client?.publish(subject, text); // without a connection nobody would hear it
  };
  return {
    get isConnected() {
      return link.isConnected;
    },
    publishHeartbeat: (beat) => publish(HEARTBEAT_SUBJECT, encodeHeartbeatWithin(beat, link.maxPayloadBytes)),
    publishToGroup: (seat, beat) => publish(groupSubject(stores, seat), encodeHeartbeatWithin(beat, link.maxPayloadBytes)),
    publishDigest(digest) {
      for (const text of encodeDigest(digest, link.maxPayloadBytes)) publish(DIGEST_SUBJECT, text);
    },
    hearGroups: (seats) => groups.hear(seats),
    askReady(node, timeoutMs, settle) {
      askReady(node, timeoutMs).then(
        (answer) => settle(readReady(answer)),
        () => settle(null), // asked again later
      );
    },
    publishControl(control) {
      publish(controlSubject(stores), encodeControl(control));
      keepControl(control);
    },
    publishChange: (change) => publish(CHANGES_SUBJECT, encodeChange({ ...change, stores })),
    send(node, request, timeoutMs, settle) {
      const controller = new AbortController();
      ask(node, request, timeoutMs, controller.signal).then(
        (answer) => settle({ kind: "answer", answer }),
        (thrown: unknown) => settle({ kind: "error", error: elsewhere(toKennelError(thrown)) }),
      );
      return () => controller.abort();
    },
    readLease(settle) {
      const { client } = link;
      if (client === null) settle({ kind: "failed" });
      else void lease.read(client).then(settle);
    },
    writeLease(record, expected, settle) {
      const { client } = link;
      if (client === null) settle({ kind: "failed" });
      else void lease.write(client, record, expected).then(settle);
    },
    listen(listeners) {
      const detach = listen(link, stores, listeners, count);
      const detachGroups = groups.listen(listeners);
      return () => {
        detachGroups();
        detach();
      };
    },
  };
}

type Count = (event: string) => void;

function subscribe<Message>(
  client: NatsConnection,
  subject: string,
  name: string,
  parse: (text: string) => Message | null,
  tell: (message: Message) => void,
  count: Count,
): Subscription {
  return client.subscribe(subject, {
    callback(error, message) {
      const parsed = error === null ? parse(message.string()) : null;
      if (parsed === null) count(`malformed_${name}`);
      else tell(parsed);
    },
  });
}

function listen(link: NatsLink, stores: string, listeners: ClusterListeners, count: Count): () => void {
  return link.attach({
    onClient(client) {
      subscribe(client, HEARTBEAT_SUBJECT, "heartbeat", parseHeartbeat, (beat) => listeners.heartbeat(beat, null), count);
      subscribe(client, DIGEST_SUBJECT, "digest", parseDigest, listeners.digest, count);
      subscribe(client, controlSubject(stores), "control", parseControl, listeners.control, count);
      const heard = (change: CollectionChange) => change.stores === stores && listeners.change(change);
      subscribe(client, CHANGES_SUBJECT, "collections", parseChange, heard, count);
    },
    onConnected: listeners.connected,
  });
}

/** The groups whose heartbeats this node is sent: one, or two while their number changes. */
class HeardGroups {
  readonly #link: NatsLink;
  readonly #stores: string;
  readonly #count: Count;
  readonly #subscriptions = new Map<string, { readonly seat: Seat; subscription: Subscription | null }>();
  #listeners: ClusterListeners | null = null;
  #client: NatsConnection | null = null;

  constructor(link: NatsLink, stores: string, count: Count) {
    this.#link = link;
    this.#stores = stores;
    this.#count = count;
  }

  listen(listeners: ClusterListeners): () => void {
    this.#listeners = listeners;
    return this.#link.attach({
      onClient: (client) => {
        this.#client = client;
        for (const [subject, heard] of this.#subscriptions) heard.subscription = this.#subscribe(subject, heard.seat);
      },
    });
  }

  hear(seats: readonly Seat[]): void {
    const wanted = new Map(seats.map((seat) => [groupSubject(this.#stores, seat), seat] as const));
    for (const [subject, { subscription }] of this.#subscriptions) {
      if (wanted.has(subject)) continue;
      this.#subscriptions.delete(subject);
      subscription?.unsubscribe();
    }
    for (const [subject, seat] of wanted)
      if (!this.#subscriptions.has(subject)) this.#subscriptions.set(subject, { seat, subscription: this.#subscribe(subject, seat) });
  }

  #subscribe(subject: string, seat: Seat): Subscription | null {
    const listeners = this.#listeners;
    if (listeners === null || this.#client === null || this.#client.isClosed()) return null; // the next client is told
    return subscribe(this.#client, subject, "heartbeat", parseHeartbeat, (beat) => listeners.heartbeat(beat, seat), this.#count);
  }
}

/** Errors that any node would give. What another has not found may be too new for it; what broke there may not break here. */
const FINAL: readonly KennelError["code"][] = [
  "invalid_request",
  "unauthorized",
  "forbidden",
  "conflict",
  "cancelled",
  "degraded",
  "deadline_exceeded",
];

function elsewhere(error: KennelError): RouteError {
  return { kind: FINAL.includes(error.code) ? "final" : "refused", cause: error };
}
