import type { Bridge } from "../bridge/http/server.ts";
import type { Config } from "../config/schema.ts";
import type { Clock } from "../runtime/clock.ts";
import type { HttpListener } from "../runtime/http_listener.ts";
import type { Logger } from "../telemetry/logs.ts";

/** How long requests are refused with `draining` before connections are. */
const REFUSAL_MS = 100;

/** Serves what still arrives for one grace, then waits for what was admitted; within the drain's limit, both. */
export async function drainBridge(bridge: Bridge, listener: HttpListener, config: Config, clock: Clock, logger: Logger): Promise<void> {
  const { graceMs, limitMs } = config.drain;
  bridge.announceDrain();
  await clock.sleep(graceMs, new AbortController().signal);
  bridge.refuseWork();
  await bridge
    .whenIdle(AbortSignal.timeout(limitMs))
    .catch(() => logger.warn({ inFlight: bridge.inFlight }, "requests outlived the drain's limit"));
  // Clients that are between two requests learn that the node drains; a closed door would tell them nothing.
  await clock.sleep(Math.min(graceMs, REFUSAL_MS), new AbortController().signal);
  await listener.stop(limitMs);
}
