/** A collector that takes traces and counts the requests that brought them, in a process of its own. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { serveCommands } from "./side_process.ts";

export interface CollectorAnswer {
  readonly port: number;
  readonly requests: number;
  readonly bytes: number;
}

if (import.meta.main) {
  const seen = { requests: 0, bytes: 0 };
  const server = createServer((request, response) => {
    request.on("data", (part: Uint8Array) => {
      seen.bytes += part.length;
    });
    request.on("end", () => {
      seen.requests++;
      response.writeHead(200, { "content-type": "application/json" }).end("{}");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await serveCommands<null>(async () => ({ port, ...seen }) satisfies CollectorAnswer);
}
