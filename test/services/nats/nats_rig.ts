import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../../runtime/clock.ts";
import { systemRandom } from "../../../runtime/random.ts";
import { createLogger } from "../../../telemetry/logs.ts";
import { type NatsServer, type NatsServerOptions, startNats, startNatsCluster } from "../../../tooling/servers/nats.ts";
import { NatsLink, type NatsLinkOptions } from "../../../transport/nats/link.ts";
import { type NatsTransport, natsTransport } from "../../../transport/nats/nats.ts";
import { natsServerPath } from "../../support/services.ts";

/** How long what a test waits for may take before the test has failed. */
export const WAIT_MS = 60_000;

/** A server of its own with an empty folder; `stop` removes both. */
export async function startServer(options: NatsServerOptions = {}): Promise<NatsServer> {
  const folder = mkdtempSync(join(tmpdir(), "kennel-nats-"));
  const server = await startNats(natsServerPath(), folder, options);
  return {
    ...server,
    async stop() {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Three servers that are one. */
export async function startServers(): Promise<{ readonly servers: readonly NatsServer[]; stop(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), "kennel-nats-cluster-"));
  const servers = await startNatsCluster(natsServerPath(), folder);
  return {
    servers,
    async stop() {
      await Promise.all(servers.map((server) => server.stop()));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Counts by kind, and a way to wait until one has been counted. */
export class Counts {
  readonly #counts = new Map<string, number>();
  readonly #watchers = new Set<() => void>();
  readonly add = (event: string): void => {
    this.#counts.set(event, this.of(event) + 1);
    for (const watch of [...this.#watchers]) watch();
  };

  of(event: string): number {
    return this.#counts.get(event) ?? 0;
  }

  until(event: string, count = 1): Promise<void> {
    return new Promise((resolve, reject) => {
      const limit = setTimeout(() => reject(new Error(`${event} was counted ${this.of(event)} times, not ${count}`)), WAIT_MS);
      const watch = () => {
        if (this.of(event) < count) return;
        clearTimeout(limit);
        this.#watchers.delete(watch);
        resolve();
      };
      this.#watchers.add(watch);
      watch();
    });
  }
}

export interface LinkRig {
  readonly link: NatsLink;
  readonly counts: Counts;
  close(): Promise<void>;
}

/** A connection with limits that suit a server on the same machine. */
export function openLink(servers: readonly { readonly address: string }[], differs: Partial<NatsLinkOptions> = {}): LinkRig {
  const counts = new Counts();
  const options: NatsLinkOptions = {
    servers: servers.map(({ address }) => address),
    name: "test",
    credentials: { kind: "none" },
    tls: null,
    connectTimeoutMs: 2_000,
    pingIntervalMs: 500,
    reconnectMs: 50,
    maxReconnectMs: 200,
    inboxPrefix: "_INBOX",
    ...differs,
  };
  const logger = createLogger({ level: "silent", node: "test" });
  const link = new NatsLink(options, { clock: systemClock(), random: systemRandom(), logger, count: counts.add });
  link.start();
  return { link, counts, close: () => link.close(1_000) };
}

export interface NodeRig extends LinkRig {
  readonly transport: NatsTransport;
}

/** A node's transport on a connection of its own, connected. */
export async function openNode(
  self: string,
  servers: readonly { readonly address: string }[],
  { maxInFlight = 64, ...differs }: Partial<NatsLinkOptions> & { readonly maxInFlight?: number } = {},
): Promise<NodeRig> {
  const rig = openLink(servers, { name: self, ...differs });
  const logger = createLogger({ level: "silent", node: self });
  const transport = natsTransport({ link: rig.link, clock: systemClock(), logger, count: rig.counts.add, self, maxInFlight });
  await rig.link.untilConnected(AbortSignal.timeout(WAIT_MS));
  await rig.link.client?.flush(); // its subscriptions are known
  return {
    ...rig,
    transport,
    async close() {
      await transport.close(0);
      await rig.close();
    },
  };
}

/** Resolves when `look` says so; what it looks at changes without telling. */
export async function until(what: string, look: () => boolean | Promise<boolean>, limitMs = WAIT_MS): Promise<void> {
  for (const limit = AbortSignal.timeout(limitMs); !limit.aborted; ) {
    if (await look()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`Waited ${limitMs} ms in vain: ${what}`);
}
