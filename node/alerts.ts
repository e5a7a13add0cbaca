import { type Alert, wireAlert } from "../actors/alerts/alert.ts";
import { Alerts } from "../actors/alerts/alerts.ts";
import { createWebhook } from "../actors/alerts/webhook.ts";
import type { ModeChange } from "../actors/coordinator/mode_log.ts";
import type { Config } from "../config/schema.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Random } from "../runtime/random.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Redaction } from "../telemetry/redaction.ts";
import type { NatsLink } from "../transport/nats/link.ts";
import { SUBJECT_ROOT } from "../transport/nats/subjects.ts";

const WEBHOOK = "alert_webhook";
const MEMORY_CHECK_MS = 5_000;

export interface AlertingParts {
  readonly supervisor: Supervisor;
  readonly config: Config;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: Metrics;
  readonly redaction: Redaction;
  readonly bytesAboveHighWater: () => number;
}

/** Before every other actor, so that it is stopped after them and can tell of their end. */
export function startAlerts({ supervisor, config, clock, random, metrics, redaction, bytesAboveHighWater }: AlertingParts): Alerts {
  const alerts = new Alerts({
    node: supervisor.path,
    clock,
    redaction,
    bytesAboveHighWater,
    memoryCheckMs: MEMORY_CHECK_MS,
    toldBy: `${supervisor.path}/${WEBHOOK}`,
    count: metrics.alerts.raised,
  });
  const { webhookUrl: url, webhookToken: token, kinds, ...limits } = config.alert;
  if (url !== "") {
    const webhook = createWebhook({ url, token, ...limits, clock, random, count: metrics.alerts.told });
    const actor = supervisor.spawn({
      name: WEBHOOK,
      kind: "alert_webhook",
      limits: config.supervision.janitor,
      behavior: webhook.behavior,
      details: webhook.details,
    });
    alerts.listen((alert) => {
      const isWanted = kinds.length === 0 || kinds.includes(alert.kind);
      if (isWanted && !actor.tell({ kind: "alert", alert })) metrics.alerts.told("dropped");
    });
  }
  alerts.watch(supervisor.events);
  return alerts;
}

/** Also for whoever listens on NATS, while there is a connection; nothing is kept for later. */
export function publishAlerts(alerts: Alerts, link: NatsLink): void {
  alerts.listen((alert: Alert) => {
    try {
      link.client?.publish(`${SUBJECT_ROOT}.events.alerts.${alert.kind}`, JSON.stringify(wireAlert(alert)));
    } catch {
      // It closes at this moment; the metrics have counted the alert.
    }
  });
}

/** The mode's changes as alerts; that something has failed and the mode is as it was says the breaker's own alert. */
export function tellMode(alerts: Alerts): (change: ModeChange) => void {
  return ({ mode, before, is_forced: isForced, failed }) => {
    if (mode === before) return;
    const why = isForced ? "an operator has set it" : failed.length === 0 ? "nothing is missing any more" : `away: ${failed.join(", ")}`;
    alerts.raise("mode_changed", mode, `It was ${before}; ${why}`);
  };
}

/** Also of one that was given up after it had failed on each node: the node that has written so tells of it. */
export function tellFailedJobs(metrics: Metrics["ingest"], alerts: Alerts): Metrics["ingest"] {
  return {
    ...metrics,
    jobFinished(job, durationMs) {
      metrics.jobFinished(job, durationMs);
      if (job.status === "failed") alerts.raise("ingest_failed", `job ${job.id}`, "It has failed for good; its record tells why");
    },
  };
}
