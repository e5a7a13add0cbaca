import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { RawConnection, requestBytes } from "../../../bench/harness/raw_connection.ts";

const raw = suite("raw connection");

async function withServer(listener: Parameters<typeof createServer>[1], work: (port: number) => Promise<void>): Promise<void> {
  const server: Server = createServer(listener as never);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await work((server.address() as AddressInfo).port);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

const request = requestBytes("POST", "/path", { "x-test": "yes" }, '{"query":"é"}');

raw("An answer with a length and one in chunks are both read whole, one after the other", async () => {
  const large = "é".repeat(100_000);
  let turn = 0;
  await withServer(
    (incoming, response) => {
      turn += 1;
      if (turn % 2 === 0) response.setHeader("content-length", Buffer.byteLength(large));
      incoming.resume().on("end", () => {
        response.write(large.slice(0, 10));
        response.end(large.slice(10));
      });
    },
    async (port) => {
      const connection = await RawConnection.open("127.0.0.1", port);
      for (let time = 0; time < 4; time += 1) assert.equal(await connection.send(request), { status: 200, body: large });
      connection.close();
    },
  );
});

raw("The request arrives as it was given, and the status is told", async () => {
  await withServer(
    async (incoming, response) => {
      let body = "";
      for await (const part of incoming.setEncoding("utf8")) body += part;
      response.writeHead(429).end(`${incoming.method} ${incoming.url} ${incoming.headers["x-test"]} ${body}`);
    },
    async (port) => {
      const connection = await RawConnection.open("127.0.0.1", port);
      assert.equal(await connection.send(request), { status: 429, body: 'POST /path yes {"query":"é"}' });
      connection.close();
    },
  );
});

raw("A connection that the server closes rejects instead of waiting for ever", async () => {
  await withServer(
    (incoming) => incoming.socket.destroy(),
    async (port) => {
      const connection = await RawConnection.open("127.0.0.1", port);
      const failure = await connection.send(request).catch((error: unknown) => error);
      assert.instance(failure, Error);
    },
  );
});

raw.run();
