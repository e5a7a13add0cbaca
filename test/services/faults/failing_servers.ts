import { createServer as createHttp2Server } from "node:http2";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { BSON } from "mongodb";

/** Takes every request and answers it with an error of its protocol: what the real servers cannot be made to do at will. */
export interface FailingServer {
  readonly port: number;
  stop(): Promise<void>;
}

/** gRPC's INTERNAL. */
const GRPC_INTERNAL = "13";
/** MongoDB's InternalError. */
const MONGO_INTERNAL = 1;
const OP_MSG = 2_013;
const OP_QUERY = 2_004;
const HEADER_BYTES = 16;

/** Speaks gRPC, as Milvus does. */
export function startFailingGrpc(): Promise<FailingServer> {
  const server = createHttp2Server();
  server.on("stream", (stream) => {
    stream.on("error", () => undefined);
    const headers = { ":status": 200, "content-type": "application/grpc", "grpc-status": GRPC_INTERNAL, "grpc-message": "test" };
    stream.respond(headers, { endStream: true });
  });
  server.on("sessionError", () => undefined);
  return started(server);
}

/** Speaks MongoDB's wire protocol. */
export function startFailingMongo(): Promise<FailingServer> {
  const server = createServer((socket) => {
    let waiting = Buffer.alloc(0);
    socket.on("error", () => socket.destroy());
    socket.on("data", (bytes: Buffer) => {
      waiting = Buffer.concat([waiting, bytes]);
      while (waiting.length >= 4 && waiting.length >= waiting.readInt32LE(0)) {
        const message = waiting.subarray(0, waiting.readInt32LE(0));
        waiting = waiting.subarray(message.length);
        socket.write(failureOf(message));
      }
    });
  });
  return started(server);
}

/** An answer in the form of the question: OP_MSG, or OP_REPLY to the driver's first greeting. */
function failureOf(message: Buffer): Buffer {
  const body = BSON.serialize({ ok: 0, code: MONGO_INTERNAL, codeName: "InternalError", errmsg: "test" });
  const isQuery = message.readInt32LE(12) === OP_QUERY;
  // OP_MSG: flags and the kind of the only section. OP_REPLY: flags, a cursor, its start, one document.
  const lead = isQuery ? Buffer.from([8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]) : Buffer.alloc(5);
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeInt32LE(HEADER_BYTES + lead.length + body.length, 0);
  header.writeInt32LE(message.readInt32LE(4), 8);
  header.writeInt32LE(isQuery ? 1 : OP_MSG, 12);
  return Buffer.concat([header, lead, body]);
}

interface Listening {
  listen(port: number, host: string, listening: () => void): unknown;
  address(): unknown;
  close(closed: () => void): unknown;
  on(event: "connection", heard: (socket: Socket) => void): unknown;
}

async function started(server: Listening): Promise<FailingServer> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
