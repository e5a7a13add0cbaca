import { z } from "zod";
import { named, secret, setting } from "./setting.ts";
import { count, milliseconds, ratio } from "./value_types.ts";

/** Where a collector listens that nobody has named: on this machine, at the port that OpenTelemetry gives it. */
export const DEFAULT_COLLECTOR = "http://127.0.0.1:4318";

/** What a node tells of itself: logs, metrics, traces, alerts. */
export const TELEMETRY_SETTINGS = {
  logRepeats: setting(
    count(),
    120,
    "Lines with one message in a minute, from `info` on; those left out are counted and told in the next minute",
  ),
  logRequests: setting(ratio, 0, "Share of the requests answered well (0 to 1) that are logged at `info`; the others are at `debug`"),

  metrics: {
    maxCollections: setting(count(10_000), 200, "Collections with series of their own; the others are counted together"),
    maxActors: setting(count(10_000), 300, "Actors with series of their own; the others are counted together"),
    maxKeys: setting(
      count(10_000),
      100,
      "Keys with series of their own, among those that met their limits; the others are counted together",
    ),
  },

  tracing: setting(z.boolean(), false, "Whether traces are sent to a collector, by OTLP over HTTP"),
  traces: {
    url: named(
      "OTEL_EXPORTER_OTLP_ENDPOINT",
      secret(
        z.string().refine((url) => url === "" || isWebAddress(url), { error: 'expected an address like "http://127.0.0.1:4318"' }),
        "",
        "The collector's address, without `/v1/traces`. Empty: `http://127.0.0.1:4318`",
      ),
    ),
    headers: named(
      "OTEL_EXPORTER_OTLP_HEADERS",
      secret(
        z.string().regex(/^(|[!-+\--~]+=[ -+\--~]*(,[!-+\--~]+=[ -+\--~]*){0,15})$/, 'expected "name=value", several with commas'),
        "",
        "Headers that the collector asks for, such as a key",
      ),
    ),
    ratio: setting(
      ratio,
      0.01,
      "Share of the requests (0 to 1) that are traced; a caller's `traceparent` decides for its own, whatever the share",
    ),
    content: setting(z.boolean(), false, "Whether traces hold questions and answers of conversations"),
    maxQueuedSpans: setting(count(100_000), 4_096, "Spans that wait to be sent; beyond it they are dropped and counted"),
    intervalMs: setting(milliseconds(60_000), 2_000, "Longest time that a span waits for others to be sent with"),
    timeoutMs: setting(milliseconds(60_000), 5_000, "Time that the collector may take"),
  },
};

function isWebAddress(url: string): boolean {
  return URL.canParse(url) && ["http:", "https:"].includes(new URL(url).protocol);
}
