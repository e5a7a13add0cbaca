/**
 * NATS' client on sockets that cannot take the process down or be left behind. The package's own sockets lose their
 * listeners between two steps of a handshake and once they are closed, and an error that comes then ends the process (seen on
 * Deno, when a server refuses a login); and an attempt that is given up after its time leaves its socket open.
 */
import { createConnection, type Socket } from "node:net";
import type { ConnectionOptions, NatsConnection } from "nats";
import { NatsConnectionImpl, setTransportFactory } from "nats/lib/nats-base-client/internal_mod.js";
import { NodeTransport } from "nats/lib/src/node_transport.js";

/** Rejects where none of the servers takes the connection within its time; each is tried once. */
export function connectClient(options: ConnectionOptions): Promise<NatsConnection> {
  setTransportFactory({ factory: () => new SafeTransport() });
  return NatsConnectionImpl.connect(options);
}

class SafeTransport extends NodeTransport {
  #dialled: Socket | null = null;

  override dial({ hostname, port }: { readonly hostname: string; readonly port: number }): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const socket = listening(createConnection(port, hostname));
      this.#dialled = socket;
      socket.setNoDelay(true);
      socket.once("connect", () => {
        socket.removeAllListeners();
        resolve(socket);
      });
      socket.once("error", reject);
      socket.once("close", () => reject(new Error("The connection was closed before it was made")));
    });
  }

  override async startTLS() {
    return listening(await super.startTLS());
  }

  override close(error?: Error): Promise<void> {
    if (!this.connected) this.#dialled?.destroy(); // an attempt that was given up
    return super.close(error);
  }
}

/** The socket with a listener for errors that stays. */
function listening<Stream extends Socket>(socket: Stream): Stream {
  const ignore = () => {}; // "close" follows, and the client acts on that
  const removeAll = socket.removeAllListeners.bind(socket);
  socket.removeAllListeners = (event?: string | symbol) => {
    for (const name of event === undefined ? socket.eventNames() : [event]) removeAll(name);
    if (!socket.listeners("error").includes(ignore)) socket.on("error", ignore);
    return socket;
  };
  return socket.on("error", ignore);
}
