/**
 * Asks nodes of a cluster over NATS without a detour: it follows their heartbeats, and the digests of them that many nodes
 * send instead, knows by them which nodes hold a collection in memory and how busy they are, and asks one of those. Where
 * that one is gone, or refuses, any node is asked.
 *
 *   NATS_URL=nats://127.0.0.1:4222 node examples/nats_cluster.ts "what happens when a retriever crashes?"
 */
import process from "node:process";
import { connect, headers, type NatsConnection } from "nats";
import { requestWhole } from "./nats_parts.ts";

/** Of what a node tells twice a second; `names` is null where nothing has changed since `version`. */
interface Heartbeat {
  readonly node: string;
  readonly draining: boolean;
  readonly leaving: boolean;
  readonly answers_clients: boolean;
  readonly in_flight: number;
  readonly queue: number;
  readonly capacity: number;
  readonly ready: { readonly version: number; readonly names?: readonly string[] | null };
}

/** What a node of a large cluster tells of its group: what all of it say alike stands in `common`, and defaults are left out. */
interface Digest {
  readonly common: Partial<Heartbeat>;
  readonly beats: readonly (Partial<Heartbeat> & { readonly age_ms: number })[];
}

const DEFAULTS = { draining: false, leaving: false, answers_clients: true, in_flight: 0, queue: 0, capacity: 32, ready: { version: 0 } };

interface KnownNode {
  readonly beat: Heartbeat;
  readonly heardMs: number;
  readonly names: ReadonlySet<string>;
}

export interface Answer {
  readonly mode: string;
  readonly data: readonly { readonly document_id: string; readonly score: number }[];
}

export class KennelRefusal extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(`${code}: ${message}`);
    this.code = code;
  }
}

/** A node that was silent for so long gets no questions; nodes say something twice a second, and digests bring it half a second later. */
const SILENT_MS = 2_000;
const MAX_NODES = 4_096;
/** What another node may answer all the same. */
const ELSEWHERE: readonly string[] = ["overloaded", "unavailable", "draining"];

export class ClusterClient {
  readonly #nats: NatsConnection;
  readonly #nodes = new Map<string, KnownNode>();

  constructor(nats: NatsConnection) {
    this.#nats = nats;
    nats.subscribe("kennel.v1.cluster.heartbeat", {
      callback: (error, message) => error === null && this.#hear(message.json<Heartbeat>(), 0),
    });
    nats.subscribe("kennel.v1.cluster.digest", {
      callback: (error, message) => error === null && this.#hearDigest(message.json<Digest>()),
    });
  }

  /** The less busy of two nodes that hold the collection, drawn at random; null: none is known, any will find one. */
  nodeOf(collection: string): string | null {
    const now = performance.now();
    const holding = [...this.#nodes.values()].filter(({ beat, heardMs, names }) => {
      return names.has(collection) && beat.answers_clients && !beat.draining && now - heardMs < SILENT_MS;
    });
    const one = holding[Math.floor(Math.random() * holding.length)];
    const two = holding[Math.floor(Math.random() * holding.length)];
    if (one === undefined || two === undefined) return null;
    return (loadOf(two) < loadOf(one) ? two : one).beat.node;
  }

  /** Rejects with a `KennelRefusal`, or an error of NATS' client. */
  async search(collection: string, body: object, timeoutMs: number): Promise<Answer> {
    const untilMs = performance.now() + timeoutMs;
    const node = this.nodeOf(collection);
    if (node !== null) {
      // Half of the time, so that enough is left for another one where this one says nothing.
      const found = await this.#ask(`kennel.v1.at.${node}.search.${collection}`, body, timeoutMs / 2).catch((error: unknown) => {
        if (error instanceof KennelRefusal && !ELSEWHERE.includes(error.code)) throw error;
        return null;
      });
      if (found !== null) return found;
      this.#nodes.delete(node); // until it is heard again
    }
    return this.#ask(`kennel.v1.search.${collection}`, body, untilMs - performance.now());
  }

  async #ask(subject: string, body: object, timeoutMs: number): Promise<Answer> {
    const given = headers();
    given.set("X-Request-Timeout-Ms", String(Math.max(1, Math.floor(timeoutMs))));
    const reply = await requestWhole(this.#nats, subject, body, given, Math.max(1, timeoutMs));
    const failure = reply.headers?.get("Kennel-Error-Code");
    if (failure) throw new KennelRefusal(failure, reply.headers?.get("Nats-Service-Error") ?? "");
    return JSON.parse(reply.text) as Answer;
  }

  #hearDigest({ common, beats }: Digest): void {
    for (const { age_ms: ageMs, ...told } of beats) this.#hear({ ...DEFAULTS, ...common, ...told } as Heartbeat, ageMs);
  }

  #hear(beat: Heartbeat, ageMs: number): void {
    const known = this.#nodes.get(beat.node);
    const heardMs = performance.now() - ageMs;
    if (known !== undefined && known.heardMs > heardMs) return; // overtaken
    if (beat.leaving) this.#nodes.delete(beat.node);
    if (beat.leaving || (known === undefined && this.#nodes.size >= MAX_NODES)) return;
    const isSame = known !== undefined && known.beat.ready.version === beat.ready.version;
    const names = beat.ready.names ? new Set(beat.ready.names) : isSame ? known.names : new Set<string>();
    this.#nodes.set(beat.node, { beat, heardMs, names });
  }
}

function loadOf({ beat }: KnownNode): number {
  return (beat.in_flight + beat.queue) / beat.capacity;
}

if (import.meta.main) {
  const question = process.argv[2] ?? "what happens when a retriever crashes?";
  const nats = await connect({ servers: process.env.NATS_URL ?? "nats://127.0.0.1:4222" });
  try {
    const kennel = new ClusterClient(nats);
    await kennel.search("kennel", { query: question }, 10_000); // opens it somewhere, if it is not open yet
    for (let tries = 0; kennel.nodeOf("kennel") === null && tries < 100; tries++) await new Promise((resolve) => setTimeout(resolve, 100));
    console.log("asking", kennel.nodeOf("kennel") ?? "any node");
    const { data, mode } = await kennel.search("kennel", { query: question, top_k: 3 }, 10_000);
    for (const { document_id: document, score } of data) console.log(`${score.toFixed(3)} ${document} (${mode})`);
  } finally {
    await nats.close();
  }
}
