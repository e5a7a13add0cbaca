import { RawConnection, requestBytes } from "./raw_connection.ts";
import { serveCommands } from "./side_process.ts";
import { quantile } from "./statistics.ts";

/** One request of a mix, and what its answer must be. */
export interface MixedRequest {
  /** Results are summed up by it. */
  readonly kind: string;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** `{turn}` in it becomes the number of the request, so that no two are alike. */
  readonly body: string;
  readonly status: number;
  /** Each of them must stand in the answer. */
  readonly contains: readonly string[];
}

export interface MixedCommand {
  readonly port: number;
  /** Sent in turn, from where the last command left off. */
  readonly requests: readonly MixedRequest[];
  readonly connections: number;
  /** Ends after this time or `maxRequests`, whichever comes first. */
  readonly durationMs: number;
  readonly maxRequests: number;
  /**
   * Requests a second, each timed from the moment it was due, so that waiting for a free connection counts; 0: each
   * connection sends its next request when it has its answer.
   */
  readonly perSecond: number;
  /** Whether each request's own times are returned. */
  readonly keepsSamples: boolean;
}

export interface KindResult {
  readonly requests: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface MixedSample {
  /** Place in the command's requests. */
  readonly request: number;
  /** Wall time in ms, with parts of it, at which it was sent. */
  readonly atMs: number;
  /** From there to its answer. */
  readonly durationMs: number;
  /** How long it was due before a connection was free for it. */
  readonly waitedMs: number;
  /** What was wrong with the answer: `status 503`, or the text that it lacks; null: nothing. */
  readonly fault: string | null;
}

export interface MixedResult {
  readonly requests: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Answers that were not what they must be, by what was wrong with them, and what the first of them was. */
  readonly faults: Readonly<Record<string, number>>;
  readonly firstFault: string;
  readonly kinds: Readonly<Record<string, KindResult>>;
  readonly samples: readonly MixedSample[];
}

const TURN = "{turn}";

class Mix {
  readonly #command: MixedCommand;
  readonly #turn: { next: number };
  readonly #bytes: readonly (Uint8Array | null)[];
  readonly #latencies = new Map<string, number[]>();
  readonly #samples: MixedSample[] = [];
  readonly #startedMs = performance.now();
  #sent = 0;
  readonly #faults: Record<string, number> = {};
  #firstFault = "";

  constructor(command: MixedCommand, turn: { next: number }) {
    this.#command = command;
    this.#turn = turn;
    this.#bytes = command.requests.map(({ method, path, headers, body }) =>
      body.includes(TURN) ? null : requestBytes(method, path, headers, body),
    );
  }

  async run(): Promise<MixedResult> {
    const { connections, port } = this.#command;
    const open = await Promise.all(Array.from({ length: connections }, () => RawConnection.open("127.0.0.1", port)));
    await Promise.all(open.map((connection) => this.#sendOn(connection)));
    for (const connection of open) connection.close();
    return this.#result();
  }

  async #sendOn(connection: RawConnection): Promise<void> {
    const { durationMs, maxRequests, perSecond } = this.#command;
    while (this.#sent < maxRequests) {
      const number = this.#sent++;
      const dueMs = perSecond === 0 ? performance.now() : this.#startedMs + (number * 1_000) / perSecond;
      if (dueMs >= this.#startedMs + durationMs) return;
      const earlyMs = dueMs - performance.now();
      if (earlyMs > 0) await new Promise((resolve) => setTimeout(resolve, earlyMs));
      // A timer fires late; that is no fault of the server's.
      await this.#sendOne(connection, earlyMs > 0 ? performance.now() : dueMs);
    }
  }

  async #sendOne(connection: RawConnection, dueMs: number): Promise<void> {
    const { requests, keepsSamples } = this.#command;
    const turn = this.#turn.next++;
    const place = turn % requests.length;
    const request = requests[place] as MixedRequest;
    const { kind, method, path, headers, body, status, contains } = request;
    const bytes = this.#bytes[place] ?? requestBytes(method, path, headers, body.replaceAll(TURN, String(turn)));
    const sentMs = performance.now();
    const answer = await connection.send(bytes);
    const endedMs = performance.now();
    const fault = answer.status === status ? (contains.find((text) => !answer.body.includes(text)) ?? null) : `status ${answer.status}`;
    if (fault !== null) {
      this.#faults[fault] = (this.#faults[fault] ?? 0) + 1;
      if (this.#firstFault === "") this.#firstFault = `${kind}: ${answer.status} ${answer.body.slice(0, 300)}`;
    }
    const latencies = this.#latencies.get(kind) ?? [];
    if (latencies.length === 0) this.#latencies.set(kind, latencies);
    latencies.push(endedMs - dueMs);
    if (!keepsSamples) return;
    const [atMs, durationMs, waitedMs] = [performance.timeOrigin + sentMs, endedMs - sentMs, sentMs - dueMs];
    this.#samples.push({ request: place, atMs, durationMs, waitedMs, fault });
  }

  #result(): MixedResult {
    const all = [...this.#latencies.values()].flat();
    const kinds = [...this.#latencies].map(([kind, latencies]): [string, KindResult] => [
      kind,
      { requests: latencies.length, p50Ms: quantile(latencies, 0.5), p99Ms: quantile(latencies, 0.99), maxMs: quantile(latencies, 1) },
    ]);
    return {
      requests: all.length,
      perSecond: (all.length * 1_000) / (performance.now() - this.#startedMs),
      p50Ms: quantile(all, 0.5),
      p99Ms: quantile(all, 0.99),
      faults: this.#faults,
      firstFault: this.#firstFault,
      kinds: Object.fromEntries(kinds),
      samples: this.#samples,
    };
  }
}

/** Requests of a search of `collection` for each query, past the result cache. */
export function searchRequests(
  collection: string,
  queries: readonly string[],
  body: Readonly<Record<string, unknown>> = {},
  contains: readonly string[] = [],
): MixedRequest[] {
  const headers = { "cache-control": "no-cache" };
  const path = `/v1/collections/${collection}/search`;
  const kind = typeof body.strategy === "string" ? body.strategy : "hybrid";
  return queries.map((query) => ({ kind, method: "POST", path, headers, body: JSON.stringify({ query, ...body }), status: 200, contains }));
}

if (import.meta.main) {
  const turn = { next: 0 };
  await serveCommands<MixedCommand>((command) => new Mix(command, turn).run());
}
