import { z } from "zod";
import { named, secret, setting } from "./setting.ts";
import { count, milliseconds, ratio } from "./value_types.ts";

/** Where a collector listens that nobody has named: on this machine, at the port that OpenTelemetry gives it. */
export const DEFAULT_COLLECTOR = "http://127.0.0.1:4318";

export const ALERT_KINDS = [
  "breaker_opened",
  "breaker_closed",
  "escalated",
  "mode_changed",
  "memory_high",
  "memory_normal",
  "ingest_failed",
  "draining",
] as const;
export type AlertKind = (typeof ALERT_KINDS)[number];

/** What a node tells of itself: logs, metrics, traces, alerts. */
export const TELEMETRY_SETTINGS = {
  logRepeats: setting(
    count(),
    120,
    "Lines with one message in a minute, from `info` on; those left out are counted and told in the next minute",
  ),
  logRequests: setting(ratio, 0, "Share of the requests answered well (0 to 1) that are logged at `info`; the others are at `debug`"),

  metrics: {
    enabled: setting(z.boolean(), true, "Whether the node counts and measures for `/metrics`"),
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

  alert: {
    webhookUrl: secret(
      z.string().refine((url) => url === "" || isWebAddress(url), { error: 'expected an address like "https://hooks.example.com/kennel"' }),
      "",
      "Where alerts are posted as JSON: breakers that open, changes of the mode, memory above its mark, failed ingests, drains. Empty: nowhere",
    ),
    webhookToken: secret(z.string().max(10_000), "", "Sent along as a bearer's; empty: none is sent"),
    kinds: setting(
      z.array(z.enum(ALERT_KINDS)).max(ALERT_KINDS.length),
      [],
      `Kinds of alerts that are posted, with commas, of ${ALERT_KINDS.join(", ")}; none named: all`,
    ),
    maxWaiting: setting(count(10_000), 256, "Alerts that wait to be posted; beyond it the oldest is dropped and counted"),
    maxAttempts: setting(count(100), 8, "Times that one alert is tried"),
    backoffMs: setting(milliseconds(600_000), 1_000, "Pause after the first failed attempt, doubled with each; jittered"),
    maxBackoffMs: setting(milliseconds(3_600_000), 60_000, "Longest pause"),
    timeoutMs: setting(milliseconds(60_000), 5_000, "Time that one attempt may take"),
  },
};

function isWebAddress(url: string): boolean {
  return URL.canParse(url) && ["http:", "https:"].includes(new URL(url).protocol);
}
