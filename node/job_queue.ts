import type { NatsBridge } from "../bridge/nats/nats_bridge.ts";
import { JetStreamJobs } from "../cluster/nats/jobs/jetstream_jobs.ts";
import { storesOf } from "./cluster/shared_stores.ts";
import type { NatsParts } from "./nats.ts";

/** Null: without NATS, or with a store of its own, a node's jobs are its own. */
export function openJobQueue({ nats, ...parts }: NatsParts & { readonly nats: NatsBridge | null }): JetStreamJobs | null {
  const { config, name, clock, random, logger, metrics } = parts;
  const stores = storesOf(config, random);
  if (nats === null || !stores.isShared) return null;
  const { link } = nats;
  const maxJobs = config.ingest.maxOpenJobs;
  return new JetStreamJobs({ link, stores: stores.digest, node: name, maxJobs, clock, logger, count: metrics.nats.count });
}
