import { connect, createServer, type Server, type Socket } from "node:net";

/** What a proxy does to the bytes between a client and its server. */
export type Fault =
  | { readonly kind: "pass" }
  /** Each part arrives this much later, in both directions. */
  | { readonly kind: "delay"; readonly ms: number }
  /** Connections are taken and nothing is passed on; what was held back goes on its way afterwards. */
  | { readonly kind: "hang" }
  /** Nobody listens; connections that are open are reset. */
  | { readonly kind: "refuse" }
  /** Connections that are open are reset, others at their first byte. */
  | { readonly kind: "reset" }
  /** Each connection is reset once this many bytes have come back on it, counted from now on. */
  | { readonly kind: "cut"; readonly afterBytes: number };

/** One connection through the proxy, for a reader of requests. */
export interface Link {
  /** Passes it on as the present fault has it. */
  send(bytes: Buffer): void;
  /** Passes it on at once as the last, then closes the connection; `closed` is called once the server has begun its answer, which is lost. */
  sendLast(bytes: Buffer, closed: () => void): void;
}

/** Stands between clients and one server on this machine. */
export interface FaultProxy {
  readonly port: number;
  /** Connections of clients that are open. */
  readonly connections: number;
  /** Bytes that clients have sent, also those that were not passed on. */
  readonly bytesSent: number;
  /** From now on, for the open connections too. Resolves when it is in force. */
  set(fault: Fault): Promise<void>;
  /** Resets all connections; later ones lead to this port, null: to the server. */
  lead(port: number | null): void;
  stop(): Promise<void>;
}

export interface FaultProxyOptions {
  /** Reads what a client sends instead of passing it on as it comes; called once a connection. */
  readonly readRequests?: (link: Link) => (bytes: Buffer) => void;
}

export async function startFaultProxy(serverPort: number, options: FaultProxyOptions = {}): Promise<FaultProxy> {
  const pairs = new Set<Pair>();
  let fault: Fault = { kind: "pass" };
  let passing = gate();
  let target = serverPort;
  let bytesSent = 0;
  const around: Around = {
    fault: () => fault,
    passing: () => passing.opened,
    sent: (count) => {
      bytesSent += count;
    },
    readRequests: options.readRequests ?? null,
    closed: (pair) => pairs.delete(pair),
  };
  const resetAll = () => {
    for (const pair of pairs) pair.reset();
  };
  const server = createServer({ allowHalfOpen: true }, (client) => {
    pairs.add(new Pair(client, connect({ port: target, host: "127.0.0.1", allowHalfOpen: true }), around));
  });
  await listen(server, 0);
  const { port } = server.address() as { port: number };
  return {
    port,
    get connections() {
      return pairs.size;
    },
    get bytesSent() {
      return bytesSent;
    },
    async set(next) {
      fault = next;
      for (const pair of pairs) pair.received = 0;
      if (next.kind === "hang") passing = passing.isOpen ? gate(false) : passing;
      else passing.open();
      if (next.kind === "reset" || next.kind === "refuse") resetAll();
      if (next.kind === "refuse") await close(server);
      else if (!server.listening) await listen(server, port);
    },
    lead(port) {
      target = port ?? serverPort;
      resetAll();
    },
    async stop() {
      resetAll();
      await close(server);
    },
  };
}

interface Around {
  fault(): Fault;
  /** Resolves at once unless everything is held back. */
  passing(): Promise<void>;
  sent(count: number): void;
  readonly readRequests: FaultProxyOptions["readRequests"] | null;
  closed(pair: Pair): void;
}

/** A client's connection and its counterpart to the server. */
class Pair {
  /** Bytes that came back since the fault was set. */
  received = 0;
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #around: Around;

  constructor(client: Socket, server: Socket, around: Around) {
    this.#client = client;
    this.#server = server;
    this.#around = around;
    for (const socket of [client, server]) {
      socket.setNoDelay(true); // a part that waits for the acknowledgement of the one before would be 40 ms late
      socket.on("error", () => this.reset());
      socket.on("close", () => this.#whenClosed(socket));
    }
    const send = this.#lane(server);
    const link: Link = { send, sendLast: (bytes, closed) => void this.#sendLast(bytes, closed) };
    const request = around.readRequests?.(link) ?? send;
    client.on("data", (bytes: Buffer) => {
      around.sent(bytes.length);
      if (around.fault().kind === "reset") this.reset();
      else request(bytes);
    });
    const answer = this.#lane(client);
    server.on("data", (bytes: Buffer) => this.#answer(bytes, answer));
    client.on("end", () => send(null));
    server.on("end", () => answer(null));
  }

  reset(): void {
    for (const socket of [this.#client, this.#server]) if (!socket.destroyed) socket.resetAndDestroy();
  }

  /** Parts in their order, each when its time has come and nothing is held back; null: the end. */
  #lane(to: Socket): (bytes: Buffer | null) => void {
    let before: Promise<void> = Promise.resolve();
    return (bytes) => {
      const fault = this.#around.fault();
      const due = fault.kind === "delay" ? performance.now() + fault.ms : 0;
      before = before.then(async () => {
        const leftMs = due - performance.now();
        if (leftMs > 0) await new Promise((resolve) => setTimeout(resolve, leftMs));
        await this.#around.passing();
        if (to.destroyed) return;
        if (bytes === null) to.end();
        else to.write(bytes);
      });
    };
  }

  #answer(bytes: Buffer, pass: (bytes: Buffer) => void): void {
    const fault = this.#around.fault();
    this.received += bytes.length;
    if (fault.kind !== "cut" || this.received <= fault.afterBytes) {
      pass(bytes);
    } else if (!this.#client.destroyed) {
      const kept = Math.max(0, bytes.length - (this.received - fault.afterBytes));
      this.#client.write(bytes.subarray(0, kept), () => this.reset());
    }
  }

  #sendLast(bytes: Buffer, closed: () => void): void {
    // What a server answers, it has done; one that only has the bytes may do it at any later time.
    const finish = () => {
      this.#server.off("data", finish).off("close", finish);
      this.#client.destroy();
      this.#server.destroy();
      closed();
    };
    this.#server.on("data", finish).on("close", finish);
    this.#server.write(bytes);
  }

  #whenClosed(socket: Socket): void {
    (socket === this.#client ? this.#server : this.#client).destroy();
    this.#around.closed(this);
  }
}

interface Gate {
  isOpen: boolean;
  readonly opened: Promise<void>;
  open(): void;
}

function gate(isOpen = true): Gate {
  const { promise, resolve } = Promise.withResolvers<void>();
  const made: Gate = {
    isOpen,
    opened: promise,
    open() {
      made.isOpen = true;
      resolve();
    },
  };
  if (isOpen) resolve();
  return made;
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => {
      server.removeListener("error", reject);
      resolve();
    });
  });
}

function close(server: Server): Promise<void> {
  return server.listening ? new Promise((resolve) => server.close(() => resolve())) : Promise.resolve();
}
