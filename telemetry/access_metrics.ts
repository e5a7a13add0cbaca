import { Counter, type Registry } from "prom-client";
import { BoundedLabels } from "./bounded_labels.ts";

/** Who was not let through. */
export interface AccessMetrics {
  /** By `key`, `grant`, `limit`, `host`, `origin`. */
  refused(reason: string): void;
  /** A key has met its limit: `rate` or `concurrent`. */
  limited(keyId: string, kind: string): void;
  /** A line of the audit log that could not be written. */
  auditLineLost(): void;
}

/** @param maxKeys keys with series of their own; the others share one */
export function accessMetrics(registry: Registry, maxKeys: number): AccessMetrics {
  const registers = [registry];
  const keys = new BoundedLabels(maxKeys);
  const refusals = new Counter({
    name: "kennel_access_refused_total",
    help: "Requests that were not let through, by what they were refused for",
    labelNames: ["reason"],
    registers,
  });
  const limited = new Counter({
    name: "kennel_key_limited_total",
    help: "Requests beyond a key's own limits, by the key's id and the limit; keys beyond the bound are counted together",
    labelNames: ["key", "limit"],
    registers,
  });
  const lost = new Counter({
    name: "kennel_audit_lines_lost_total",
    help: "Lines of the audit log that could not be written",
    registers,
  });
  return {
    refused: (reason) => refusals.inc({ reason }),
    limited: (keyId, limit) => limited.inc({ key: keys.label(keyId), limit }),
    auditLineLost: () => lost.inc(),
  };
}
