import { Agent, type IncomingMessage, request } from "node:http";
import type { ServiceEndpoints } from "../../support/kubernetes/service_endpoints.ts";
import { COLLECTION, PORT } from "./kennel_deployment.ts";

export interface Query {
  readonly tookMs: number;
  /** Why there was no answer; null: there was one. */
  readonly failure: string | null;
  /** Connections that were refused. */
  readonly refused: number;
  /** Connections that broke before the answer, as when a process is killed. */
  readonly broken: number;
}

export interface LoadOptions {
  readonly endpoints: ServiceEndpoints;
  readonly key: string;
  /** Every second of them keeps its connection as long as the pod does, the others open one for each question. */
  readonly clients: number;
  /** From the start of one question of a client to that of its next, at least. */
  readonly pauseMs: number;
  /** Ranks anew through the reranker, which takes its time. */
  readonly isReranked: boolean;
  /** What a failure says of who has answered so. @default the address */
  readonly nameOf?: (address: string) => string;
  readonly onQuery: (query: Query) => void;
}

const DEADLINE_MS = 10_000;
/** After the deadline, for the answer that says that it has passed. */
const PATIENCE_MS = 1_000;
/** A kept connection is left for another after so many questions, as clients' pools do with time. */
const QUESTIONS_A_CONNECTION = 50;
const HITS = 3;

class Refused extends Error {}
class Broken extends Error {}

/**
 * Clients of the Service that ask one question after another. A connection that is refused, or breaks before an answer, is tried once more with another
 * pod; anything else that is no answer with its hits within 10 s is a failure.
 */
export class ServiceLoad {
  readonly #options: LoadOptions;
  readonly #stop = new AbortController();
  readonly #running: Promise<unknown>;
  #asked = 0;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#running = Promise.all(Array.from({ length: options.clients }, (_, place) => this.#run(place % 2 === 0)));
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(isKeeping: boolean): Promise<void> {
    const client = new Client(this.#options, isKeeping);
    while (!this.#stop.signal.aborted) {
      const startedMs = performance.now();
      this.#asked += 1;
      const query = await client.ask(`birds and number ${this.#asked}`, startedMs);
      this.#options.onQuery({ ...query, tookMs: performance.now() - startedMs });
      const restMs = this.#options.pauseMs - (performance.now() - startedMs);
      if (restMs > 0) await new Promise((resolve) => setTimeout(resolve, restMs));
    }
    client.close();
  }
}

class Client {
  readonly #options: LoadOptions;
  readonly #isKeeping: boolean;
  #agent: Agent;
  /** Of the pod that the connection is kept to; null: the next question opens one. */
  #address: string | null = null;
  #questions = 0;

  constructor(options: LoadOptions, isKeeping: boolean) {
    this.#options = options;
    this.#isKeeping = isKeeping;
    this.#agent = new Agent({ keepAlive: isKeeping });
  }

  close(): void {
    this.#agent.destroy();
  }

  async ask(question: string, startedMs: number): Promise<Omit<Query, "tookMs">> {
    let refused = 0;
    let broken = 0;
    let avoided: string | null = null;
    for (;;) {
      const address: string | null = (avoided === null ? this.#address : null) ?? this.#options.endpoints.pick(avoided);
      if (address === null) return { failure: "the Service leads to no pod", refused, broken };
      try {
        const failure = await this.#send(address, question, DEADLINE_MS - (performance.now() - startedMs));
        return { failure: failure === null ? null : `${this.#nameOf(address)}: ${failure}`, refused, broken };
      } catch (thrown) {
        if (thrown instanceof Refused) refused += 1;
        else if (thrown instanceof Broken) broken += 1;
        this.#leave();
        if (avoided !== null || !(thrown instanceof Refused || thrown instanceof Broken))
          return { failure: `${this.#nameOf(address)}: ${(thrown as Error).message}`, refused, broken };
        avoided = address;
      }
    }
  }

  /** @returns what was wrong with the answer; null: nothing. Rejects with `Refused`, `Broken` or another. */
  #send(address: string, question: string, leftMs: number): Promise<string | null> {
    const body = JSON.stringify({ query: question, top_k: HITS, ...(this.#options.isReranked ? { rerank: true } : {}) });
    const headers = {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
      authorization: `Bearer ${this.#options.key}`,
      "x-request-timeout-ms": String(Math.max(1, Math.ceil(leftMs))),
      ...(this.#isKeeping ? {} : { connection: "close" }),
    };
    return new Promise((resolve, reject) => {
      const path = `/v1/collections/${COLLECTION}/search`;
      const sent = request({ host: address, port: PORT, method: "POST", path, headers, agent: this.#agent });
      const limit = setTimeout(() => sent.destroy(new Error("no answer within the deadline")), Math.max(1, leftMs) + PATIENCE_MS);
      const end = (done: () => void) => {
        clearTimeout(limit);
        done();
      };
      sent.on("error", (error: NodeJS.ErrnoException) => end(() => reject(kindOf(error))));
      sent.on("response", (response) => {
        this.#remember(address, response);
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (part: string) => {
          text += part;
        });
        response.on("error", (error: NodeJS.ErrnoException) => end(() => reject(kindOf(error))));
        response.on("end", () =>
          end(() => (response.complete ? resolve(complaint(response.statusCode ?? 0, text)) : reject(new Broken("cut off")))),
        );
      });
      sent.end(body);
    });
  }

  #nameOf(address: string): string {
    return this.#options.nameOf?.(address) ?? address;
  }

  #leave(): void {
    this.#address = null;
    if (!this.#isKeeping) return;
    this.#agent.destroy();
    this.#agent = new Agent({ keepAlive: true });
  }

  /** A connection stays with its pod until the pod or the client is done with it. */
  #remember(address: string, response: IncomingMessage): void {
    this.#questions += 1;
    const isLeft = response.headers.connection === "close" || this.#questions % QUESTIONS_A_CONNECTION === 0;
    if (this.#isKeeping && !isLeft) this.#address = address;
    else response.once("end", () => this.#leave());
  }
}

function kindOf(error: NodeJS.ErrnoException): Error {
  if (error.code === "ECONNREFUSED") return new Refused(error.message, { cause: error });
  const isBroken = error.code === "ECONNRESET" || error.code === "EPIPE" || error.message === "socket hang up";
  return isBroken ? new Broken(error.message, { cause: error }) : error;
}

function complaint(status: number, text: string): string | null {
  const body = JSON.parse(text) as {
    readonly data?: readonly unknown[];
    readonly error?: { readonly code: string; readonly message: string };
  };
  if (status !== 200) return `${status} ${body.error?.code}: ${body.error?.message}`;
  return body.data?.length === HITS ? null : `${body.data?.length} hits`;
}
