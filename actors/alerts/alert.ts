import type { AlertKind } from "../../config/telemetry_settings.ts";

/** What an operator wants to hear of at once, whoever watches the metrics. */
export interface Alert {
  readonly kind: AlertKind;
  /** ISO 8601 */
  readonly at: string;
  readonly node: string;
  /** What it is about: an actor's path, a mode. */
  readonly subject: string;
  /** One sentence, without secrets and paths. */
  readonly detail: string;
}

/** As it is sent: with a sentence where chat services look for one. */
export function wireAlert(alert: Alert): Readonly<Record<string, string>> {
  const { kind, at, node, subject, detail } = alert;
  return {
    object: "alert",
    kind,
    at,
    node,
    subject,
    detail,
    text: `Kennel ${node}: ${kind.replaceAll("_", " ")}: ${subject}. ${detail}`.trim(),
  };
}
