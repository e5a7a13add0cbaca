/** The lease in a bucket of JetStream's, which compares revisions where all nodes ask. */
import type { KV, NatsConnection } from "nats";
import { z } from "zod";
import type { LeaseOutcome, LeaseRecord } from "../lease/lease.ts";
import { isOvertaken, openBucket } from "./bucket.ts";

const BUCKET = "kennel_cluster";

const leaseRecord = z.object({ holder: z.string().nullable(), incarnation: z.string(), epoch: z.int().min(0) });

export class LeaseBucket {
  readonly #key: string;
  #opened: { readonly client: NatsConnection; readonly bucket: Promise<KV> } | null = null;

  /** @param key one for all nodes that can lead each other */
  constructor(key: string) {
    this.#key = key;
  }

  async read(client: NatsConnection): Promise<LeaseOutcome> {
    try {
      const entry = await (await this.#bucketOf(client)).get(this.#key);
      if (entry === null || entry.operation !== "PUT") return { kind: "found", entry: null };
      const record = leaseRecord.safeParse(JSON.parse(entry.string()));
      // What nobody of Kennel's has written is a holder that never shows itself again: it is taken over in time.
      const known = record.success ? record.data : { holder: "unknown", incarnation: "", epoch: 0 };
      return { kind: "found", entry: { record: known, revision: entry.revision } };
    } catch {
      this.#opened = null; // the bucket may be gone
      return { kind: "failed" };
    }
  }

  async write(client: NatsConnection, record: LeaseRecord, expected: number): Promise<LeaseOutcome> {
    const text = JSON.stringify(record);
    try {
      const bucket = await this.#bucketOf(client);
      return {
        kind: "written",
        revision: expected === 0 ? await bucket.create(this.#key, text) : await bucket.update(this.#key, text, expected),
      };
    } catch (thrown) {
      if (isOvertaken(thrown)) return { kind: "lost" };
      this.#opened = null;
      return { kind: "failed" };
    }
  }

  #bucketOf(client: NatsConnection): Promise<KV> {
    if (this.#opened?.client !== client) this.#opened = { client, bucket: openBucket(client, BUCKET) };
    return this.#opened.bucket;
  }
}
