/**
 * What all nodes are to know, in a bucket of JetStream's: each hears the last value of every key and then each change.
 *
 * Invariants:
 *   B1. Whoever follows is told of every key again when it may have missed something: after a lost connection, and when the
 *       bucket has gone and come back.
 *   B2. A bucket that has gone while nodes run is made anew by whoever looks first; what belongs in it the nodes write again.
 *   B3. Nothing here throws at a follower: what fails is counted and tried again, for ever.
 */
import type { KV, KvEntry, NatsConnection } from "nats";
import type { Clock } from "../../runtime/clock.ts";
import type { Logger } from "../../telemetry/logs.ts";
import type { NatsLink } from "../../transport/nats/link.ts";
import { CALL_LIMIT_MS, isOvertaken, openBucket } from "./bucket.ts";

export const CONFIG_BUCKET = "kennel_config";

export interface BucketEntry {
  /** Null: deleted. */
  readonly text: string | null;
  readonly revision: number;
}

export type BucketWrite =
  | { readonly kind: "written"; readonly revision: number }
  | { readonly kind: "overtaken" }
  | { readonly kind: "failed" };

export interface BucketFollower {
  /** @param key without the prefix */
  entry(key: string, entry: BucketEntry): void;
  /** All that stood there is told again from now on: what was known of it may be gone. */
  begins(): void;
  /** All that stood there was told. */
  level(): void;
}

export interface ConfigBucketParts {
  readonly link: Pick<NatsLink, "client" | "untilConnected" | "isConnected">;
  /** What the keys of this cluster begin with: one token. */
  readonly prefix: string;
  readonly follower: BucketFollower;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly count: (event: string) => void;
  /** Pause between two looks whether the bucket is still the one that is followed. */
  readonly checkMs?: number;
}

const CHECK_MS = 5_000;
/** Pause after a failure. */
const RETRY_MS = 1_000;
/** In bytes; what is longer belongs elsewhere. */
const MAX_VALUE = 524_288;

export class ConfigBucket {
  readonly #parts: ConfigBucketParts;
  readonly #stop = new AbortController();
  #open: { readonly client: NatsConnection; readonly bucket: KV } | null = null;
  /** When the bucket that is followed was made, in JetStream's words. */
  #made: string | null = null;
  #isLevel = false;
  /** Entries that have come. */
  #told = 0;
  #hasFailed = false;

  constructor(parts: ConfigBucketParts) {
    this.#parts = parts;
  }

  /** Whether all that stands there is known. */
  get isLevel(): boolean {
    return this.#isLevel && this.#parts.link.isConnected;
  }

  /** Follows in the background, until `stop`. */
  start(): void {
    void this.#run();
  }

  stop(): void {
    this.#stop.abort(new Error("The node stops"));
  }

  /** Rejects where JetStream cannot be asked. */
  async read(key: string): Promise<BucketEntry> {
    const entry = await this.#bucket().get(this.#keyOf(key));
    return entry === null ? { text: null, revision: 0 } : toEntry(entry);
  }

  /** @param expected the revision that is replaced; 0: there must be none; null: whatever stands there. Never rejects. */
  async write(key: string, text: string, expected: number | null): Promise<BucketWrite> {
    try {
      if (text.length > MAX_VALUE) return this.#failed("oversized_configuration");
      const [bucket, name] = [this.#bucket(), this.#keyOf(key)];
      if (expected === null) return { kind: "written", revision: await bucket.put(name, text) };
      return { kind: "written", revision: expected === 0 ? await bucket.create(name, text) : await bucket.update(name, text, expected) };
    } catch (thrown) {
      return isOvertaken(thrown) ? { kind: "overtaken" } : this.#failed("configuration_not_written");
    }
  }

  /** Never rejects. */
  async delete(key: string): Promise<boolean> {
    try {
      await this.#bucket().delete(this.#keyOf(key));
      return true;
    } catch {
      this.#failed("configuration_not_written");
      return false;
    }
  }

  /** Forgets that a key was deleted by this revision; one that was written since stays. Never rejects. */
  async forget(key: string, revision: number): Promise<void> {
    try {
      const bucket = this.#bucket();
      const manager = await this.#open?.client.jetstreamManager({ checkAPI: false, timeout: CALL_LIMIT_MS });
      const { streamInfo } = await bucket.status();
      await manager?.streams.purge(streamInfo.config.name, { filter: `$KV.${CONFIG_BUCKET}.${this.#keyOf(key)}`, seq: revision + 1 });
    } catch {
      this.#parts.count("configuration_not_tidied");
    }
  }

  async #run(): Promise<void> {
    const { link, clock, logger, count } = this.#parts;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await link.untilConnected(signal);
        if (link.client !== null) await this.#follow(link.client);
      } catch (thrown) {
        if (signal.aborted) return;
        count("configuration_not_followed");
        if (!this.#hasFailed)
          logger.warn(
            { code: codeOf(thrown) },
            "what all nodes are to know cannot be followed in JetStream: this node keeps what it has heard",
          );
        this.#hasFailed = true; // B3
      }
      await clock.sleep(RETRY_MS, signal).catch(() => {}); // stopped: the loop ends
    }
  }

  /** Until the client, the bucket or the node goes. */
  async #follow(client: NatsConnection): Promise<void> {
    const { prefix, follower, clock, checkMs = CHECK_MS } = this.#parts;
    const { signal } = this.#stop;
    const bucket = await openBucket(client, CONFIG_BUCKET);
    this.#note((await bucket.status()).streamInfo.created);
    this.#open = { client, bucket };
    follower.begins(); // B1
    const ended = new AbortController();
    let isTold = false;
    let told = this.#told;
    const watch = await bucket.watch({
      key: `${prefix}.>`,
      initializedFn: () => {
        isTold = true;
        this.#becomeLevel();
      },
    });
    const consuming = this.#consume(watch, ended);
    try {
      while (!ended.signal.aborted && !signal.aborted && this.#parts.link.client === client) {
        await clock.sleep(checkMs, AbortSignal.any([signal, ended.signal])).catch(() => {}); // looked at below
        if (signal.aborted || ended.signal.aborted || this.#parts.link.client !== client) break;
        if ((await bucket.status()).streamInfo.created !== this.#made) break; // B2: opened anew
        if (!isTold && this.#told === told) break; // the client lost count of what was to be told
        told = this.#told;
      }
    } finally {
      this.#isLevel = false;
      watch.stop();
      await consuming;
    }
  }

  async #consume(watch: AsyncIterable<KvEntry>, ended: AbortController): Promise<void> {
    const { prefix, follower } = this.#parts;
    try {
      for await (const entry of watch) {
        this.#told += 1;
        follower.entry(entry.key.slice(prefix.length + 1), toEntry(entry));
      }
    } catch {
      this.#parts.count("configuration_not_followed"); // it has ended, too: another one begins
    }
    ended.abort();
  }

  #becomeLevel(): void {
    this.#isLevel = true;
    if (this.#hasFailed) this.#parts.logger.info("what all nodes are to know is followed in JetStream again");
    this.#hasFailed = false;
    this.#parts.follower.level();
  }

  #note(made: string): void {
    const { logger, count } = this.#parts;
    if (this.#made !== null && this.#made !== made) {
      count("configuration_bucket_replaced");
      logger.error(
        { bucket: CONFIG_BUCKET },
        "the bucket of what all nodes are to know was gone and has been made anew: the nodes write what they hold again",
      );
    }
    this.#made = made;
  }

  #keyOf(key: string): string {
    return `${this.#parts.prefix}.${key}`;
  }

  /** @throws where there is no connection */
  #bucket(): KV {
    if (this.#open === null || this.#parts.link.client !== this.#open.client) throw new Error("The bucket is not open");
    return this.#open.bucket;
  }

  #failed(event: string): BucketWrite {
    this.#parts.count(event);
    return { kind: "failed" };
  }
}

function toEntry(entry: KvEntry): BucketEntry {
  return { text: entry.operation === "PUT" ? entry.string() : null, revision: entry.revision };
}

/** The client's own code, never its words, which may quote an address. */
function codeOf(thrown: unknown): string {
  const code = (thrown as { readonly code?: unknown } | null)?.code;
  return typeof code === "string" ? code : "FAILED";
}
