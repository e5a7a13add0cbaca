/**
 * NATS' client on sockets that cannot take the process down or be left behind. The package's own sockets lose their
 * listeners between two steps of a handshake and once they are closed, and an error that comes then ends the process (seen on
 * Deno, when a server refuses a login); and an attempt that is given up after its time leaves its socket open.
 */
import { createConnection, type Socket } from "node:net";
import { connect, type TLSSocket, type ConnectionOptions as TlsConnectionOptions } from "node:tls";
import { type ConnectionOptions, ErrorCode, type NatsConnection, NatsError } from "nats";
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

  /** A server that refuses a certificate under TLS 1.3 says so after the handshake: the listener is there from the beginning. */
  override async startTLS(): Promise<TLSSocket> {
    const socket = await this.#beginTls();
    return new Promise((resolve, reject) => {
      socket.once("secureConnect", () => {
        socket.removeAllListeners();
        resolve(socket);
      });
      socket.once("error", reject);
      socket.once("close", () => reject(new Error("The connection was closed before it was secure")));
    });
  }

  async #beginTls(): Promise<TLSSocket> {
    const { tls } = this.options;
    try {
      const files = tls ? await this.loadClientCerts() : undefined;
      const options = { servername: this.tlsName, rejectUnauthorized: true, ...tls, ...files, socket: this.socket };
      return listening(connect(options as TlsConnectionOptions));
    } catch (thrown) {
      throw NatsError.errorForCode(ErrorCode.Tls, thrown as Error); // a certificate or a key that cannot be read
    }
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
