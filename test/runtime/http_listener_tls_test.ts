/** The listener over TLS, asked by real clients with certificates of test/data/tls. */
import { readFileSync } from "node:fs";
import { request } from "node:https";
import { connect as connectPlain } from "node:net";
import { connect } from "node:tls";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { systemClock } from "../../runtime/clock.ts";
import { type HttpListenerOptions, startHttpListener, type TlsMaterial } from "../../runtime/http_listener.ts";

const OPTIONS: HttpListenerOptions = {
  host: "127.0.0.1",
  port: 0,
  maxConnections: 64,
  maxHeaderBytes: 8_192,
  headersTimeoutMs: 30_000,
  requestTimeoutMs: 60_000,
  keepAliveTimeoutMs: 30_000,
};
const pem = (name: string) => readFileSync(new URL(`../data/tls/${name}`, import.meta.url), "utf8");
const material = (name: string, clientCa: string | null = null): TlsMaterial => ({
  cert: pem(`${name}.pem`),
  key: pem(`${name}.key`),
  clientCa,
});
const start = (tls: TlsMaterial, changes: Partial<HttpListenerOptions> = {}) =>
  startHttpListener(
    { ...OPTIONS, ...changes },
    ({ method, peer }) => ({ status: 200, headers: {}, body: `${method} from ${peer}` }),
    systemClock(),
    tls,
  );

interface Asked {
  /** What was answered; null: the connection was refused. */
  readonly text: string | null;
  /** Whose certificate the server has shown. */
  readonly server: string;
}

/** One request on a connection of its own. @param client whose certificate is shown; null: none */
function ask(port: number, client: string | null = null): Promise<Asked> {
  const own = client === null ? {} : { cert: pem(`${client}.pem`), key: pem(`${client}.key`) };
  return new Promise((resolve) => {
    let server = "";
    const sent = request({ host: "127.0.0.1", port, agent: false, ca: pem("authority.pem"), ...own }, (response) => {
      const { socket } = response as unknown as { socket: { getPeerCertificate(): { subject?: { CN?: string } } } };
      server = socket.getPeerCertificate().subject?.CN ?? "";
      let text = "";
      response.setEncoding("utf8").on("data", (piece: string) => {
        text += piece;
      });
      response.on("end", () => resolve({ text, server }));
    });
    sent.on("error", () => resolve({ text: null, server }));
    sent.end();
  });
}

test("A client that trusts the authority is answered, one that does not know it refuses the server, plain HTTP gets nothing", async () => {
  const listener = await start(material("server"));
  assert.equal(await ask(listener.port), { text: "GET from 127.0.0.1", server: "server" });
  await new Promise<void>((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port: listener.port });
    socket.on("error", () => resolve());
    socket.on("secureConnect", () => reject(new Error("an unknown authority was believed")));
  });
  const plain = connectPlain(listener.port, "127.0.0.1", () => plain.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  let received = "";
  plain.on("error", () => undefined).on("data", (piece) => (received += String(piece)));
  await new Promise((resolve) => plain.once("close", resolve));
  assert.not.match(received, "200");
  assert.is((await ask(listener.port)).text, "GET from 127.0.0.1", "and those that come after are answered");
  await listener.stop(1_000);
});

test("Where clients are to show a certificate, those with none or with a stranger's are refused", async () => {
  const listener = await start(material("server", pem("authority.pem")));
  assert.is((await ask(listener.port, "client")).text, "GET from 127.0.0.1");
  assert.is((await ask(listener.port)).text, null);
  assert.is((await ask(listener.port, "strange-client")).text, null);
  await listener.stop(1_000);
});

test("A replaced certificate, and another authority of clients, hold for connections from then on", async () => {
  const listener = await start(material("server", pem("authority.pem")));
  assert.is((await ask(listener.port, "client")).server, "server");
  listener.replaceTls(material("next-server", pem("stranger.pem")));
  assert.equal(await ask(listener.port, "strange-client"), { text: "GET from 127.0.0.1", server: "next-server" });
  assert.is((await ask(listener.port, "client")).text, null);
  await listener.stop(1_000);
});

test("A client that never finishes its handshake is let go of, and holds up no end", async () => {
  const listener = await start(material("server"), { headersTimeoutMs: 300 });
  const dangling = connectPlain(listener.port, "127.0.0.1");
  dangling.on("error", () => undefined);
  await new Promise((resolve) => dangling.once("close", resolve));
  await listener.stop(1_000);

  const stopping = await start(material("server"));
  const other = connectPlain(stopping.port, "127.0.0.1");
  other.on("error", () => undefined);
  await new Promise((resolve) => other.once("connect", resolve));
  assert.is((await ask(stopping.port)).text, "GET from 127.0.0.1", "the server has seen the other one by now");
  assert.is(await stopping.stop(60_000), 0);
});

test("A plain listener has no certificate to replace", async () => {
  const listener = await startHttpListener(OPTIONS, () => ({ status: 204, headers: {}, body: null }), systemClock());
  assert.throws(
    () => listener.replaceTls(material("server")),
    (thrown: unknown) => thrown instanceof TypeError,
  );
  await listener.stop(1_000);
});

test.run();
