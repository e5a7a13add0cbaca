import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Clock, systemClock } from "../../runtime/clock.ts";
import { type HttpHandler, type HttpListenerOptions, startHttpListener } from "../../runtime/http_listener.ts";
import type { HttpAnswer } from "../../runtime/http_message.ts";
import { manualClock } from "../support/manual_clock.ts";

const test = suite("HTTP listener");

const OPTIONS: HttpListenerOptions = {
  host: "127.0.0.1",
  port: 0,
  maxConnections: 64,
  maxHeaderBytes: 8_192,
  headersTimeoutMs: 30_000,
  requestTimeoutMs: 60_000,
  keepAliveTimeoutMs: 30_000,
};

function text(body: string | Uint8Array): HttpAnswer {
  return { status: 200, headers: { "content-type": "text/plain" }, body };
}

function start(handler: HttpHandler, changes: Partial<HttpListenerOptions> = {}, clock: Clock = systemClock()) {
  return startHttpListener({ ...OPTIONS, ...changes }, handler, clock);
}

/** A plain socket and everything it received, once the server has closed it. */
function open(port: number): { socket: Socket; received: Promise<string> } {
  const socket = connect(port, "127.0.0.1");
  let text = "";
  socket.setEncoding("utf8");
  socket.on("data", (piece) => {
    text += piece;
  });
  socket.on("error", () => undefined);
  return { socket, received: once(socket, "close").then(() => text) };
}

function deferred<Value = void>() {
  return Promise.withResolvers<Value>();
}

test("The listener reports the port it was given by the system and serves on it", async () => {
  const listener = await start(() => text("hello"));
  assert.ok(listener.port > 0);
  assert.is(await (await fetch(`http://127.0.0.1:${listener.port}/`)).text(), "hello");
  await listener.stop(1_000);
});

test("A port that is taken is refused with an error that names it", async () => {
  const first = await start(() => text(""));
  try {
    await start(() => text(""), { port: first.port });
    assert.unreachable("a second listener was bound");
  } catch (thrown) {
    assert.match(String(thrown), `Cannot listen on 127.0.0.1:${first.port}`);
  }
  await first.stop(1_000);
});

test("A client that never finishes its head is answered 408 and closed", async () => {
  const listener = await start(() => text(""), { headersTimeoutMs: 100, requestTimeoutMs: 200 });
  const { socket, received } = open(listener.port);
  socket.write("GET / HTTP/1.1\r\nhost: x\r\n");
  assert.match(await received, "408");
  await listener.stop(1_000);
});

/** As much as no socket's buffers hold. */
const LARGE = "x".repeat(64 * 1_048_576);

test("A client that takes nothing of its answer loses its connection, and what a stream holds is given back", async () => {
  const ended = deferred<string>();
  async function* parts(): AsyncGenerator<string> {
    try {
      for (;;) yield "x".repeat(1_048_576);
    } finally {
      ended.resolve("given back");
    }
  }
  const whole = deferred<string>();
  const listener = await start(
    (request) => {
      request.signal.addEventListener("abort", () => whole.resolve("it has left"));
      return request.target === "/stream" ? { ...text(""), stream: parts() } : text(LARGE);
    },
    { headersTimeoutMs: 100, requestTimeoutMs: 200 },
  );
  for (const [path, end] of [
    ["/stream", ended],
    ["/whole", whole],
  ] as const) {
    const socket = connect(listener.port, "127.0.0.1");
    socket.on("error", () => undefined);
    socket.pause();
    socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`);
    assert.ok(await end.promise, path);
    socket.destroy();
  }
  await listener.stop(1_000);
});

test("An answer that waits for the one before it on its connection is not taken for one that nobody takes", async () => {
  const [clock, first, both] = [manualClock(), deferred(), deferred()];
  const listener = await start(
    async ({ target }) => {
      if (target === "/second") both.resolve();
      else await first.promise;
      return text(target);
    },
    {},
    clock,
  );
  const { socket, received } = open(listener.port);
  socket.write("GET /first HTTP/1.1\r\nhost: x\r\n\r\nGET /second HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
  await both.promise;
  for (let look = 0; look < 4; look++) await clock.advance(OPTIONS.requestTimeoutMs);
  first.resolve();
  assert.match(await received, /\/first[\s\S]*\/second$/);
  await listener.stop(1_000);
});

test("A client that takes its answer slowly, and goes on taking, gets all of it", async () => {
  const listener = await start(() => text(LARGE), { headersTimeoutMs: 100, requestTimeoutMs: 150 });
  const socket = connect(listener.port, "127.0.0.1");
  let bytes = 0;
  const clock = systemClock();
  socket.on("data", (piece: Uint8Array) => {
    bytes += piece.length;
    socket.pause();
    clock.setTimer(1, () => socket.resume());
  });
  socket.write("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
  await once(socket, "close");
  assert.ok(bytes > LARGE.length);
  await listener.stop(1_000);
});

test("A client that never finishes its body is answered 408 and closed", async () => {
  const listener = await start(async (request) => text(await request.read(1_000, () => new Error("too large"))), {
    headersTimeoutMs: 100,
    requestTimeoutMs: 200,
  });
  const { socket, received } = open(listener.port);
  socket.write("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nabc");
  assert.match(await received, "408");
  await listener.stop(1_000);
});

test("A connection on which nothing is sent is closed", async () => {
  const listener = await start(() => text(""), { headersTimeoutMs: 100, requestTimeoutMs: 200 });
  const { received } = open(listener.port);
  await received;
  await listener.stop(1_000);
});

test("A head that is too large is refused before the handler sees it", async () => {
  let calls = 0;
  const listener = await start(() => {
    calls += 1;
    return text("");
  });
  const { socket, received } = open(listener.port);
  socket.write(`GET / HTTP/1.1\r\nhost: x\r\nx-long: ${"a".repeat(20_000)}\r\n\r\n`);
  assert.match(await received, "431");
  assert.is(calls, 0);
  await listener.stop(1_000);
});

test("The signal of a request aborts when its client goes away", async () => {
  const arrived = deferred();
  const aborted = deferred();
  const listener = await start(async (request) => {
    request.signal.addEventListener("abort", () => aborted.resolve());
    arrived.resolve();
    await aborted.promise;
    return text("too late");
  });
  const { socket } = open(listener.port);
  socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
  await arrived.promise;
  socket.destroy();
  await aborted.promise;
  await listener.stop(1_000);
});

test("Stopping gives an open request its answer and refuses new connections", async () => {
  const arrived = deferred();
  const answer = deferred();
  const listener = await start(async () => {
    arrived.resolve();
    await answer.promise;
    return text("the answer");
  });
  const open = fetch(`http://127.0.0.1:${listener.port}/`);
  await arrived.promise;
  const stopped = listener.stop(30_000);
  assert.is(await fetch(`http://127.0.0.1:${listener.port}/`).catch(() => "refused"), "refused");
  answer.resolve();
  assert.is(await (await open).text(), "the answer");
  assert.is(await stopped, 0);
});

test("Stopping ends idle connections at once", async () => {
  const listener = await start(() => text("x"));
  const { socket, received } = open(listener.port);
  socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
  await once(socket, "data");
  assert.is(await listener.stop(30_000), 0);
  assert.match(await received, "200");
});

test("A request that outlives the grace is cut off and counted", async () => {
  const arrived = deferred();
  const never = deferred();
  const listener = await start(async () => {
    arrived.resolve();
    await never.promise;
    return text("");
  });
  const open = fetch(`http://127.0.0.1:${listener.port}/`).catch(() => "cut off");
  await arrived.promise;
  const first = listener.stop(50);
  assert.is(await first, 1);
  assert.is(await listener.stop(50), 1, "a second stop waits for the first");
  assert.is(await open, "cut off");
  never.resolve();
});

test.run();
