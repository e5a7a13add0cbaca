import { systemClock } from "../../runtime/clock.ts";
import { startHttpListener } from "../../runtime/http_listener.ts";
import { serveCommands } from "../harness/side_process.ts";

/** A server on Kennel's own listener that reads the body and answers the same bytes each time: what HTTP alone costs. */
export interface FixedCommand {
  readonly body: string;
}

if (import.meta.main) {
  let answer = new Uint8Array();
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
      await request.text();
      return new Response(answer, { headers: { "content-type": "application/json" } });
    },
    systemClock(),
  );
  await serveCommands<FixedCommand>(async ({ body }) => {
    answer = new TextEncoder().encode(body);
    return listener.port;
  });
}
