import { connect } from "node:net";
import { join } from "node:path";
import { freePorts } from "./free_ports.ts";
import { type ServerProcess, startServerProcess } from "./server_process.ts";

/** Keeps nothing on disk: restarted, it is empty. */
export interface RedisServer extends ServerProcess {
  /** `redis://127.0.0.1:6379` */
  readonly url: string;
  /** Sends one command and resolves with what Redis answered, as it wrote it. */
  command(...words: readonly string[]): Promise<string>;
}

const START_LIMIT_MS = 60_000;
const COMMAND_LIMIT_MS = 5_000;

/**
 * @param command the program
 * @param folder for what it writes about itself; it exists
 * @param port 0: any free one
 */
export async function startRedis(command: string, folder: string, port = 0): Promise<RedisServer> {
  const chosen = port === 0 ? ((await freePorts(1))[0] as number) : port;
  const server = await startServerProcess({
    what: "Redis",
    command,
    args: ["--port", String(chosen), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
    cwd: folder,
    log: join(folder, "redis.log"),
    tryOnce: async () => void (await ask(chosen, ["GET", "readiness"])),
    startLimitMs: START_LIMIT_MS,
  });
  return { ...server, url: `redis://127.0.0.1:${chosen}`, command: (...words) => ask(chosen, words) };
}

/** One command on a connection of its own; resolves with the first part of the answer. */
function ask(port: number, words: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    socket.setTimeout(COMMAND_LIMIT_MS, () => socket.destroy(new Error("Redis does not answer")));
    socket.once("error", reject);
    socket.once("data", (part) => {
      resolve(part.toString());
      socket.destroy();
    });
    socket.once("connect", () => {
      const bulk = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("");
      socket.write(`*${words.length}\r\n${bulk}`);
    });
  });
}
