import { NatsBridge } from "../bridge/nats/nats_bridge.ts";
import { parseNatsAddresses } from "../config/nats_addresses.ts";
import type { Config } from "../config/schema.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Random } from "../runtime/random.ts";
import { VERSION } from "../runtime/version.ts";
import type { Logger } from "../telemetry/logs.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { rareEvents } from "../telemetry/rare_events.ts";
import type { NatsCredentials, NatsTls } from "../transport/nats/credentials.ts";
import { NatsLink } from "../transport/nats/link.ts";
import { WITH_CLIENTS } from "./cluster/rare_events.ts";

export interface NatsParts {
  readonly config: Config;
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Null: none is configured. Nothing is connected before the bridge is served. */
export function openNats({ config, name, clock, random, logger, metrics }: NatsParts): NatsBridge | null {
  const addresses = parseNatsAddresses(config.nats.url);
  if (addresses === null || addresses.servers.length === 0) return null;
  const { connectTimeoutMs, pingIntervalMs, reconnectMs, maxReconnectMs, inboxPrefix, streamCheckMs } = config.nats;
  const link = new NatsLink(
    {
      servers: addresses.servers,
      name: `kennel ${name}`,
      credentials: credentialsOf(config, addresses),
      tls: tlsOf(config, addresses.isTls),
      connectTimeoutMs,
      pingIntervalMs,
      reconnectMs,
      maxReconnectMs,
      inboxPrefix,
    },
    { clock, random, logger, count: metrics.nats.count },
  );
  const { answered } = metrics.nats;
  const count = rareEvents(WITH_CLIENTS, metrics.nats.count, logger, clock);
  const isInboxOnly = config.nats.calloutSeedFile !== "";
  return new NatsBridge({ link, clock, logger, metrics: { answered, count }, version: VERSION, node: name, streamCheckMs, isInboxOnly });
}

function credentialsOf({ nats }: Config, { user, password }: { readonly user: string; readonly password: string }): NatsCredentials {
  if (user !== "") return { kind: "user", user, password };
  if (nats.user !== "") return { kind: "user", user: nats.user, password: nats.password };
  if (nats.nkeyFile !== "") return { kind: "nkey", seedFile: nats.nkeyFile };
  return nats.credsFile === "" ? { kind: "none" } : { kind: "creds", file: nats.credsFile };
}

function tlsOf({ nats }: Config, isTls: boolean): NatsTls | null {
  const { caFile, certFile, keyFile, tlsName } = nats;
  return isTls || caFile !== "" || certFile !== "" ? { caFile, certFile, keyFile, serverName: tlsName } : null;
}
