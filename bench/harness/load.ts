import { RawConnection, requestBytes } from "./raw_connection.ts";
import { serveCommands } from "./side_process.ts";
import { quantile } from "./statistics.ts";

/** The load generator's process: closed loops over connections, each sending its next request when it has its answer. */
export interface LoadCommand {
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Sent in turn, from where the last command left off. */
  readonly bodies: readonly string[];
  readonly connections: number;
  /** Ends after this time or `maxRequests`, whichever comes first. */
  readonly durationMs: number;
  readonly maxRequests: number;
}

export interface LoadResult {
  readonly requests: number;
  /** Answers with another status than 200. */
  readonly failures: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  /** One answer, to look at. */
  readonly sample: string;
}

/** @param turn the place of the next body; goes on from command to command, so that no round repeats the queries of the last */
async function load(command: LoadCommand, turn: { next: number }): Promise<LoadResult> {
  const requests = command.bodies.map((body) => requestBytes("POST", command.path, command.headers, body));
  const connections = await Promise.all(Array.from({ length: command.connections }, () => RawConnection.open("127.0.0.1", command.port)));
  const latencies: number[] = [];
  let failures = 0;
  let sample = "";
  const startMs = performance.now();
  const endMs = startMs + command.durationMs;
  let sent = 0;
  await Promise.all(
    connections.map(async (connection) => {
      while (performance.now() < endMs && sent < command.maxRequests) {
        sent += 1;
        turn.next += 1;
        const sentMs = performance.now();
        const answer = await connection.send(requests[turn.next % requests.length] as Uint8Array);
        latencies.push(performance.now() - sentMs);
        if (answer.status !== 200) failures += 1;
        if (sample === "" || answer.status !== 200) sample = answer.body;
      }
      connection.close();
    }),
  );
  return summarize(latencies, performance.now() - startMs, failures, sample);
}

function summarize(latencies: readonly number[], elapsedMs: number, failures: number, sample: string): LoadResult {
  const [p50Ms, p95Ms, p99Ms] = [0.5, 0.95, 0.99].map((q) => quantile(latencies, q)) as [number, number, number];
  return { requests: latencies.length, failures, perSecond: (latencies.length * 1000) / elapsedMs, p50Ms, p95Ms, p99Ms, sample };
}

if (import.meta.main) {
  const turn = { next: 0 };
  await serveCommands<LoadCommand>((command) => load(command, turn));
}
