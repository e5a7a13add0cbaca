import type { NatsConnection } from "nats";
import { type KennelError, toKennelError } from "../../runtime/errors.ts";
import type { NatsLink } from "../../transport/nats/link.ts";
import type { Control } from "../lease/control.ts";
import { encodeHeartbeatWithin, type Heartbeat, parseHeartbeat } from "../membership/heartbeat.ts";
import type { ClusterNetwork } from "../ports.ts";
import type { RouteError } from "../router/route.ts";
import { LeaseBucket } from "./lease_bucket.ts";
import {
  CHANGES_SUBJECT,
  type CollectionChange,
  controlSubject,
  encodeChange,
  encodeControl,
  HEARTBEAT_SUBJECT,
  parseChange,
  parseControl,
} from "./wire.ts";

export interface ClusterListeners {
  heartbeat(beat: Heartbeat): void;
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
  count,
  keepControl,
}: NatsNetworkParts<Request, Answer>): NatsNetwork<Request, Answer> {
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
    listen: (listeners) => listen(link, stores, listeners, count),
  };
}

function listen(link: NatsLink, stores: string, listeners: ClusterListeners, count: (event: string) => void): () => void {
  const hear = <Message>(
    client: NatsConnection,
    subject: string,
    name: string,
    parse: (text: string) => Message | null,
    tell: (message: Message) => void,
  ) =>
    client.subscribe(subject, {
      callback(error, message) {
        const parsed = error === null ? parse(message.string()) : null;
        if (parsed === null) count(`malformed_${name}`);
        else tell(parsed);
      },
    });
  return link.attach({
    onClient(client) {
      hear(client, HEARTBEAT_SUBJECT, "heartbeat", parseHeartbeat, listeners.heartbeat);
      hear(client, controlSubject(stores), "control", parseControl, listeners.control);
      hear(client, CHANGES_SUBJECT, "collections", parseChange, (change) => change.stores === stores && listeners.change(change));
    },
    onConnected: listeners.connected,
  });
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
