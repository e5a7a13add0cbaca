import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { systemClock } from "../../runtime/clock.ts";
import { type HttpHandler, type HttpListener, startHttpListener } from "../../runtime/http_listener.ts";
import type { HttpAnswer } from "../../runtime/http_message.ts";

const test = suite("HTTP messages");

const MAX_BODY_BYTES = 1_000;
const tooLarge = () => new Error("too large");

function text(body: string): HttpAnswer {
  return { status: 200, headers: { "content-type": "text/plain" }, body };
}

async function withListener(handler: HttpHandler, work: (listener: HttpListener) => Promise<void>): Promise<void> {
  const listener = await startHttpListener(
    {
      host: "127.0.0.1",
      port: 0,
      maxConnections: 64,
      maxHeaderBytes: 8_192,
      headersTimeoutMs: 30_000,
      requestTimeoutMs: 60_000,
      keepAliveTimeoutMs: 30_000,
    },
    handler,
    systemClock(),
  );
  try {
    await work(listener);
  } finally {
    await listener.stop(1_000);
  }
}

function open({ port }: HttpListener): { readonly socket: Socket; readonly received: Promise<Buffer> } {
  const socket = connect(port, "127.0.0.1");
  const pieces: Buffer[] = [];
  socket.on("data", (piece: Buffer) => pieces.push(piece));
  socket.on("error", () => undefined);
  return { socket, received: once(socket, "close").then(() => Buffer.concat(pieces)) };
}

/** The whole answer to a head that asks for the connection's end, or to what is no request at all. */
async function exchange(listener: HttpListener, head: string, body: string | Buffer = ""): Promise<Buffer> {
  const { socket, received } = open(listener);
  socket.write(Buffer.concat([Buffer.from(`${head}\r\nconnection: close\r\n\r\n`, "latin1"), Buffer.from(body)]));
  return received;
}

const statusOf = (answer: Buffer) => Number(/^HTTP\/1\.1 (\d+)/.exec(answer.toString("latin1"))?.[1]);
const bodyOf = (answer: Buffer) => answer.subarray(answer.indexOf("\r\n\r\n") + 4);

test("A target comes as it was sent, dot segments resolved and odd characters escaped; what is none is refused", () =>
  withListener(
    ({ target }) => text(target),
    async (listener) => {
      const cases = [
        ["/v1/collections/docs/search?x=1&y=%20", "/v1/collections/docs/search?x=1&y=%20"],
        ["/", "/"],
        ["//etc/passwd", "//etc/passwd"],
        ["/a/../b/./c?q=/../", "/b/c?q=/../"],
        ["/%2e%2e/x", "/x"],
        ["/a%2fb", "/a%2fb"],
        ['/"quoted"', "/%22quoted%22"],
        ["http://elsewhere.example/x?y=1", "/x?y=1"],
        ["/a\\..\\b", null],
        ["*", null],
      ] as const;
      for (const [given, target] of cases) {
        const answer = await exchange(listener, `${given === "*" ? "OPTIONS" : "GET"} ${given} HTTP/1.1\r\nhost: x`);
        if (target === null) assert.is(statusOf(answer), 400, given);
        else assert.equal([statusOf(answer), bodyOf(answer).toString()], [200, target], given);
      }
    },
  ));

test("A host that is none is refused before the handler sees it", () =>
  withListener(
    () => text("seen"),
    async (listener) => {
      for (const host of ["x", "X.example:80", "localhost:7700", "[::1]:7700", "127.0.0.1:1", ""]) {
        assert.is(statusOf(await exchange(listener, `GET / HTTP/1.1\r\nhost: ${host}`)), 200, host);
      }
      for (const host of ["a b", "user@x", "x/y", "x?y", "x#y", "[::1"]) {
        assert.is(statusOf(await exchange(listener, `GET / HTTP/1.1\r\nhost: ${host}`)), 400, host);
      }
    },
  ));

test("Headers are found by their names in lower case", () =>
  withListener(
    ({ headers }) => text(JSON.stringify([headers.get("x-one"), headers.has("x-one"), headers.get("x-none"), headers.has("x-none")])),
    async (listener) => {
      const answer = await exchange(listener, "GET / HTTP/1.1\r\nhost: x\r\nX-One: a\r\nx-one:  b ");
      assert.equal(JSON.parse(bodyOf(answer).toString()), ["a, b", true, null, false]);
    },
  ));

test("A body that has come with its head is there at once, and one connection brings many", () =>
  withListener(
    (request) => {
      const body = request.read(MAX_BODY_BYTES, tooLarge);
      return body instanceof Promise ? text("waited for") : text(`<${Buffer.from(body)}>`);
    },
    async (listener) => {
      const { socket, received } = open(listener);
      for (const body of ["first", "", "third"]) {
        socket.write(`POST / HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
        await once(socket, "data");
      }
      socket.end();
      const answers = (await received).toString();
      for (const body of ["<first>", "<>", "<third>"]) assert.match(answers, body);
    },
  ));

test("A long body is whole, however much of it was there at once", () =>
  withListener(
    async (request) =>
      text(
        createHash("sha256")
          .update(await request.read(10_000_000, tooLarge))
          .digest("hex"),
      ),
    async (listener) => {
      for (const length of [60_000, 65_536, 70_000, 200_000, 3_000_000]) {
        const body = Buffer.alloc(length, "0123456789");
        const answer = await exchange(listener, `POST / HTTP/1.1\r\nhost: x\r\ncontent-length: ${length}`, body);
        assert.is(bodyOf(answer).toString(), createHash("sha256").update(body).digest("hex"), `${length} bytes`);
      }
    },
  ));

test("A body that comes in pieces is whole, with and without a length", async () => {
  const arrived = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let requests = 0;
  await withListener(
    async (request) => {
      const body = request.read(MAX_BODY_BYTES, tooLarge);
      arrived[requests++]?.resolve();
      return text(`<${Buffer.from(await body)}>`);
    },
    async (listener) => {
      const sized = open(listener);
      sized.socket.write("POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 6\r\n\r\nabc");
      await arrived[0]?.promise;
      sized.socket.write("def");
      assert.match((await sized.received).toString(), "<abcdef>");
      const chunked = open(listener);
      chunked.socket.write("POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n");
      await arrived[1]?.promise;
      chunked.socket.write("3\r\ndef\r\n0\r\n\r\n");
      assert.match((await chunked.received).toString(), "<abcdef>");
    },
  );
});

test("A body beyond the bound is refused, whether it was there at once or not", () =>
  withListener(
    async (request) => {
      try {
        await request.read(MAX_BODY_BYTES, tooLarge);
        return text("taken");
      } catch (thrown) {
        return text((thrown as Error).message);
      }
    },
    async (listener) => {
      const body = "x".repeat(MAX_BODY_BYTES + 1);
      assert.match(
        (await exchange(listener, `POST / HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}`, body)).toString(),
        "too large",
      );
      const { socket, received } = open(listener);
      socket.write("POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n");
      socket.write(`${body.length.toString(16)}\r\n${body}\r\n`);
      assert.match((await received).toString(), "too large");
    },
  ));

test("A client that goes away in its body is an error of the read, and aborts the signal", async () => {
  const arrived = Promise.withResolvers<AbortSignal>();
  const failed = Promise.withResolvers<unknown>();
  await withListener(
    async (request) => {
      arrived.resolve(request.signal);
      await Promise.resolve(request.read(MAX_BODY_BYTES, tooLarge)).catch((thrown: unknown) => failed.resolve(thrown));
      return text("nobody reads this");
    },
    async (listener) => {
      const { socket } = open(listener);
      socket.write("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\n\r\nabc");
      const signal = await arrived.promise;
      socket.destroy();
      assert.instance(await failed.promise, Error);
      if (!signal.aborted) await once(signal, "abort");
    },
  );
});

test("A text that stands for bytes is sent byte for byte, another one as UTF-8", () => {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  return withListener(
    ({ target }) => (target === "/bytes" ? { ...text(bytes.toString("latin1")), encoding: "latin1" } : text("grüße")),
    async (listener) => {
      const answer = await exchange(listener, "GET /bytes HTTP/1.1\r\nhost: x");
      assert.equal(bodyOf(answer), bytes);
      assert.match(answer.toString("latin1"), /content-length: 256\r\n/i);
      assert.is(bodyOf(await exchange(listener, "GET / HTTP/1.1\r\nhost: x")).toString(), "grüße");
    },
  );
});

test("A body that nobody reads does not hold its connection", () =>
  withListener(
    () => text("answered"),
    async (listener) => {
      const { socket, received } = open(listener);
      socket.write("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\nabc");
      assert.match((await received).toString(), "answered");
    },
  ));

test("What a handler throws is answered 500 and tells nothing", () =>
  withListener(
    ({ target }) => {
      if (target === "/later") return Promise.reject(new Error("secret"));
      throw new Error("secret");
    },
    async (listener) => {
      for (const target of ["/now", "/later"]) {
        const answer = await exchange(listener, `GET ${target} HTTP/1.1\r\nhost: x`);
        assert.is(statusOf(answer), 500);
        assert.not.match(answer.toString(), "secret");
      }
    },
  ));

test.run();
