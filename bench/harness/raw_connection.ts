import { connect, type Socket } from "node:net";

export interface RawAnswer {
  readonly status: number;
  readonly body: string;
}

/**
 * One HTTP/1.1 connection, one request at a time, with as little work as a client can do: it shares the machine with the
 * server that it measures. Understands answers with a length and chunked ones.
 */
export class RawConnection {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #waiting: { resolve(answer: RawAnswer): void; reject(error: Error): void } | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (bytes: Buffer) => {
      this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
      this.#settle();
    });
    const fail = () => this.#waiting?.reject(new Error("The connection was closed before the answer was whole"));
    socket.on("error", fail);
    socket.on("close", fail);
  }

  static open(host: string, port: number): Promise<RawConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, host, () => resolve(new RawConnection(socket)));
      socket.once("error", reject);
    });
  }

  send(request: Uint8Array): Promise<RawAnswer> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(request);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #settle(): void {
    const headEnd = this.#received.indexOf("\r\n\r\n");
    if (headEnd < 0) return;
    const head = this.#received.toString("latin1", 0, headEnd);
    const body = readBody(head, this.#received.subarray(headEnd + 4));
    if (body === null) return;
    this.#received = Buffer.alloc(0);
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.resolve({ status: Number(head.slice(9, 12)), body });
  }
}

/** The body once all of it has come; null before. */
function readBody(head: string, received: Buffer): string | null {
  const length = /\r\ncontent-length: *(\d+)/i.exec(head);
  if (length !== null) return received.length >= Number(length[1]) ? received.toString("utf8") : null;
  if (!/\r\ntransfer-encoding: *chunked/i.test(head)) return "";
  if (!received.subarray(-5).equals(Buffer.from("0\r\n\r\n"))) return null;
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const lineEnd = received.indexOf("\r\n", at);
    const size = Number.parseInt(received.toString("latin1", at, lineEnd), 16);
    if (!(size > 0)) return Buffer.concat(parts).toString("utf8");
    parts.push(received.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = lineEnd + 2 + size + 2;
  }
}

export function requestBytes(method: string, path: string, headers: Readonly<Record<string, string>>, body: string): Uint8Array {
  const lines = Object.entries({ host: "localhost", "content-type": "application/json", ...headers }).map(
    ([name, value]) => `${name}: ${value}`,
  );
  return Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join("\r\n")}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}
