import { Buffer } from "node:buffer";
import { systemClock } from "../../runtime/clock.ts";
import { startHttpListener } from "../../runtime/http_listener.ts";
import { serveCommands } from "../harness/side_process.ts";

/** A server on Kennel's own listener that reads the body and answers the same bytes each time: what HTTP alone costs. */
export interface FixedCommand {
  readonly body: string;
}

const MAX_BODY_BYTES = 1_048_576;

if (import.meta.main) {
  let answer = "";
  const listener = await startHttpListener(
    {
      host: "127.0.0.1",
      port: 0,
      maxConnections: 1_024,
      maxHeaderBytes: 16_384,
      headersTimeoutMs: 60_000,
      requestTimeoutMs: 60_000,
      keepAliveTimeoutMs: 60_000,
    },
    async (request) => {
      await request.read(MAX_BODY_BYTES, () => new Error("The body is too large"));
      return { status: 200, headers: { "content-type": "application/json" }, body: answer, encoding: "latin1" };
    },
    systemClock(),
  );
  await serveCommands<FixedCommand>(async ({ body }) => {
    answer = Buffer.from(body).toString("latin1"); // as Kennel sends it: head and body in one write
    return listener.port;
  });
}
