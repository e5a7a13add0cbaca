import { connect } from "nats";
import { RawConnection, requestBytes } from "./raw_connection.ts";
import { serveCommands } from "./side_process.ts";

/** One query after another of two nodes in turns, each beside a bare request over NATS; in a process of its own. */
export interface HopCommand {
  /** Of the node that holds the collection, and of one that has to ask it. */
  readonly localPort: number;
  readonly otherPort: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly bodies: readonly string[];
  readonly rounds: number;
  /** Where somebody answers bare requests, and the server over which they are asked. */
  readonly natsUrl: string;
  readonly subject: string;
}

export interface HopResult {
  /** By round, all in ms. */
  readonly localMs: readonly number[];
  readonly forwardedMs: readonly number[];
  readonly bareMs: readonly number[];
  readonly failures: number;
  readonly answerBytes: number;
}

async function measure(command: HopCommand): Promise<HopResult> {
  const { localPort, otherPort, path, headers, bodies, rounds, natsUrl, subject } = command;
  const requests = bodies.map((body) => requestBytes("POST", path, headers, body));
  const local = await RawConnection.open("127.0.0.1", localPort);
  const other = await RawConnection.open("127.0.0.1", otherPort);
  const nats = await connect({ servers: natsUrl });
  let failures = 0;
  let answerBytes = 0;
  const ask = async (connection: RawConnection, place: number): Promise<number> => {
    const sentMs = performance.now();
    const answer = await connection.send(requests[place % requests.length] as Uint8Array);
    const tookMs = performance.now() - sentMs;
    if (answer.status !== 200) failures += 1;
    answerBytes = answer.body.length;
    return tookMs;
  };
  const bare = async (place: number): Promise<number> => {
    const sentMs = performance.now();
    await nats.request(subject, bodies[place % bodies.length] as string, { timeout: 10_000 });
    return performance.now() - sentMs;
  };
  const [localMs, forwardedMs, bareMs]: [number[], number[], number[]] = [[], [], []];
  for (let round = 0; round < rounds; round += 1) {
    // Who goes first changes, since what the first has looked up may still be at hand for the second.
    if (round % 2 === 0) localMs.push(await ask(local, round));
    forwardedMs.push(await ask(other, round));
    if (round % 2 === 1) localMs.push(await ask(local, round));
    bareMs.push(await bare(round));
  }
  local.close();
  other.close();
  await nats.close();
  return { localMs, forwardedMs, bareMs, failures, answerBytes };
}

if (import.meta.main) await serveCommands<HopCommand>(measure);
