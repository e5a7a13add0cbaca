import type { KvEntry } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ConfigBucket, type ConfigBucketParts } from "../../../cluster/nats/config_bucket.ts";
import { createLogger } from "../../../telemetry/logs.ts";
import { manualClock } from "../../support/manual_clock.ts";

const test = suite("what all nodes are to know");
const CHECK_MS = 5_000;

/** A bucket that tells entries when the test says so, which a real server does at its own speed. */
function rigOf() {
  const clock = manualClock();
  const seen = { begins: 0, keys: [] as string[], counted: [] as string[], isLevel: false, failsAt: "" };
  let watch = { push: (_key: string) => {}, end: () => {}, level: () => {} };
  const bucket = {
    status: async () => ({ streamInfo: { created: "then" } }),
    async watch({ initializedFn }: { readonly initializedFn: () => void }) {
      let isOpen = true;
      const end = (close: () => void) => {
        if (isOpen) close();
        isOpen = false;
      };
      const stream = new ReadableStream<KvEntry>({
        cancel: () => end(() => {}),
        start(controller) {
          const push = (key: string) =>
            controller.enqueue({ key: `s.${key}`, operation: "PUT", revision: 1, string: () => "{}" } as unknown as KvEntry);
          watch = { push, end: () => end(() => controller.close()), level: initializedFn };
        },
      });
      return Object.assign(stream, { stop: () => watch.end() });
    },
  };
  const client = { jetstream: () => ({ views: { kv: async () => bucket } }) };
  const configuration = new ConfigBucket({
    link: { client, isConnected: true, untilConnected: async () => {} } as unknown as ConfigBucketParts["link"],
    prefix: "s",
    follower: {
      begins: () => void seen.begins++,
      entry(key) {
        if (key === seen.failsAt) throw new Error("a follower's own fault");
        seen.keys.push(key);
      },
      level: () => {
        seen.isLevel = true;
      },
    },
    clock,
    logger: createLogger({ level: "silent", node: "test" }),
    count: (event) => void seen.counted.push(event),
    checkMs: CHECK_MS,
  });
  configuration.start();
  return { clock, seen, configuration, push: (key: string) => watch.push(key), level: () => watch.level() };
}

test("What takes long to be told is told to its end; what comes to a halt before it is begun anew", async () => {
  const { clock, seen, configuration, push, level } = rigOf();
  await clock.flush();
  for (const key of ["a", "b", "c"]) {
    push(key);
    await clock.advance(CHECK_MS);
  }
  assert.equal([seen.begins, seen.keys], [1, ["a", "b", "c"]]);
  await clock.advance(CHECK_MS + 1_000);
  assert.is(seen.begins, 2);
  level();
  await clock.advance(10 * CHECK_MS);
  assert.equal([seen.begins, seen.isLevel], [2, true]);
  configuration.stop();
  await clock.flush();
  assert.is(clock.pendingTimers, 0);
});

test("A follower that fails at an entry is counted, and is told everything anew", async () => {
  const { clock, seen, configuration, push } = rigOf();
  await clock.flush();
  seen.failsAt = "a";
  push("a");
  await clock.advance(1_000);
  assert.equal([seen.begins, seen.counted], [2, ["configuration_not_followed"]]);
  configuration.stop();
  await clock.flush();
  assert.is(clock.pendingTimers, 0);
});

test.run();
