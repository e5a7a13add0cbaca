import { type SpanSpec, type Tracer, traced } from "../../telemetry/tracing.ts";
import type { RedisBytes } from "./redis.ts";

/** As OpenTelemetry's conventions for Redis name what `openRedis` sends: one MGET, and a transaction of SETs. */
const specOf = (command: string): SpanSpec => ({
  name: `${command} redis`,
  kind: "client",
  attributes: { "db.system.name": "redis", "db.operation.name": command },
});
const READ = specOf("MGET");
const WRITE = specOf("MULTI SET");

/** Commands as spans; keys and values are in none. What belongs to no request, such as a probe, is not traced. */
export function tracedRedis<Store extends RedisBytes>(tracer: Tracer, store: Store): Store {
  if (!tracer.isOn) return store;
  const calls: Pick<RedisBytes, "read" | "write"> = {
    read: (keys) =>
      traced(tracer, READ, async (span) => {
        const found = await store.read(keys);
        span?.set({ "db.operation.batch.size": keys.length, "db.response.returned_rows": found.filter((bytes) => bytes !== null).length });
        return found;
      }),
    write: (entries) =>
      traced(tracer, WRITE, (span) => {
        span?.set({ "db.operation.batch.size": entries.length });
        return store.write(entries);
      }),
  };
  // Not a copy: what the pool and the address say changes.
  return new Proxy(store, { get: (target, name) => Reflect.get(name in calls ? calls : target, name) });
}
