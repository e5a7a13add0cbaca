import { mkdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { freePorts } from "./free_ports.ts";
import { type ServerProcess, startServerProcess } from "./server_process.ts";

export interface NatsServer extends ServerProcess {
  /** `nats://127.0.0.1:4222` */
  readonly url: string;
  /** `127.0.0.1:4222` */
  readonly address: string;
  /** As it calls itself. */
  readonly name: string;
}

export interface NatsServerOptions {
  /** 0: any free one. @default 0 */
  readonly port?: number;
  /** Lines that are added to its configuration file: accounts, TLS, limits. @default none */
  readonly configuration?: string;
  /** @default "nats" */
  readonly name?: string;
}

const START_LIMIT_MS = 60_000;
const ASK_LIMIT_MS = 1_000;

/**
 * With JetStream, on files.
 * @param command the program
 * @param folder for its data and configuration; it exists
 */
export async function startNats(command: string, folder: string, options: NatsServerOptions = {}): Promise<NatsServer> {
  const { port = 0, configuration = "", name = "nats" } = options;
  const chosen = port === 0 ? ((await freePorts(1))[0] as number) : port;
  const file = join(folder, `${name}.conf`);
  writeFileSync(file, [head(name, chosen, folder), configuration].join("\n"));
  return start(command, folder, name, chosen, file);
}

/** Three servers that are one; each can be killed and restarted by itself. */
export async function startNatsCluster(command: string, folder: string, configuration = ""): Promise<readonly NatsServer[]> {
  const ports = await freePorts(6);
  const routes = ports.slice(3).map((port) => `nats://127.0.0.1:${port}`);
  return Promise.all(
    ports.slice(0, 3).map((port, place) => {
      const name = `n${place + 1}`;
      const own = join(folder, name);
      mkdirSync(own, { recursive: true });
      const file = join(own, `${name}.conf`);
      const cluster = `cluster { name: kennel, listen: "127.0.0.1:${ports[place + 3]}", routes: [${routes.map((route) => `"${route}"`).join(", ")}] }`;
      writeFileSync(file, [head(name, port, own), cluster, configuration].join("\n"));
      return start(command, own, name, port, file);
    }),
  );
}

function head(name: string, port: number, folder: string): string {
  const store = join(folder, "jetstream");
  return `server_name: ${name}\nlisten: "127.0.0.1:${port}"\njetstream { store_dir: "${store}", max_mem: 64MB, max_file: 512MB }`;
}

async function start(command: string, folder: string, name: string, port: number, file: string): Promise<NatsServer> {
  const server = await startServerProcess({
    what: "NATS",
    command,
    args: ["-c", file],
    cwd: folder,
    log: join(folder, `${name}.log`),
    tryOnce: () => greet(port),
    startLimitMs: START_LIMIT_MS,
  });
  return { ...server, name, address: `127.0.0.1:${port}`, url: `nats://127.0.0.1:${port}` };
}

/** A server that is ready speaks first. */
function greet(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    socket.setTimeout(ASK_LIMIT_MS, () => socket.destroy(new Error("NATS says nothing")));
    socket.once("error", reject);
    socket.once("data", (part) => {
      socket.destroy();
      if (part.toString().startsWith("INFO ")) resolve();
      else reject(new Error("what listens there is no NATS server"));
    });
  });
}
