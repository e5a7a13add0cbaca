/** Who gets in, and who is told of it: keys, their limits, the node's names, the audit log. */
import { join } from "node:path";
import type { BridgeParts } from "../bridge/http/parts.ts";
import { KeyRing } from "../bridge/keys/key_ring.ts";
import { isLoopback } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import type { Clock } from "../runtime/clock.ts";
import { AuditFile } from "../telemetry/audit/audit_file.ts";
import { type AuditLog, createAuditLog, NO_AUDIT } from "../telemetry/audit/audit_log.ts";
import type { Logger } from "../telemetry/logs.ts";
import type { Metrics } from "../telemetry/metrics.ts";

export interface AccessParts {
  readonly config: Config;
  readonly name: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** What the bridge asks about callers. */
export interface NodeAccess extends Pick<BridgeParts, "keyLimits" | "accessMetrics" | "audit" | "hosts" | "corsOrigins"> {
  readonly keys: KeyRing | null;
  close(): Promise<void>;
}

/** In the data folder. */
const AUDIT_FOLDER = "audit";

/** Rejects when there is a file of keys that is not one. */
export async function openAccess(parts: AccessParts): Promise<NodeAccess> {
  const { config, clock, logger, metrics } = parts;
  const audit = openAudit(parts);
  const { file, checkMs, ratePerSecond, burst, maxConcurrent } = config.keys;
  const keys =
    config.auth === "off"
      ? null
      : await KeyRing.open({
          path: file,
          checkMs,
          dataDir: config.dataDir,
          clock,
          logger,
          onChanged: (changed) => audit.keysChanged(changed),
        });
  return {
    keys,
    keyLimits: { ratePerSecond, burst, maxConcurrent },
    accessMetrics: metrics.access,
    audit,
    hosts: hostsOf(config),
    corsOrigins: config.http.corsOrigins,
    async close() {
      await keys?.close();
      await audit.close();
    },
  };
}

function openAudit({ config, name, clock, logger, metrics }: AccessParts): AuditLog {
  const { to, maxFileBytes, maxFiles } = config.audit;
  switch (to) {
    case "off":
      return NO_AUDIT;
    case "log":
      return createAuditLog(name, clock, { write: (line) => void process.stdout.write(line), close: async () => undefined });
    case "file":
      return createAuditLog(
        name,
        clock,
        new AuditFile({
          folder: join(config.dataDir, AUDIT_FOLDER),
          maxFileBytes,
          maxFiles,
          clock,
          count: () => metrics.access.auditLineLost(),
          onLost: (err) => logger.error({ err }, "the audit log cannot be written; lines are lost until it can"),
        }),
      );
  }
}

/** Elsewhere than on a loopback address it is not known what a node is called, and keys keep strangers' pages out. */
function hostsOf({ http }: Config): NodeAccess["hosts"] {
  const isLocal = isLoopback(http.host);
  if (http.allowedHosts.includes("*") || (!isLocal && http.allowedHosts.length === 0)) return { hostNames: null, takesAddresses: true };
  return { hostNames: new Set(["localhost", ...http.allowedHosts.map((host) => host.toLowerCase())]), takesAddresses: !isLocal };
}
