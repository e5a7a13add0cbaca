import { type KV, type NatsConnection, NatsError } from "nats";

/** Of servers that keep it: as many as there are, so that the loss of one of three costs nothing. */
const REPLICAS = [3, 1];
/** One call of JetStream's. */
export const CALL_LIMIT_MS = 1_500;
/** JetStream's "wrong last sequence". */
const WRONG_REVISION = 10_071;

/** A bucket that keeps the last value of each key; made where there is none. */
export async function openBucket(client: NatsConnection, name: string): Promise<KV> {
  const { views } = client.jetstream({ timeout: CALL_LIMIT_MS });
  for (const replicas of REPLICAS.slice(0, -1)) {
    try {
      return await views.kv(name, { replicas, history: 1, timeout: CALL_LIMIT_MS });
    } catch (thrown) {
      if (!(thrown instanceof NatsError && thrown.api_error !== undefined)) throw thrown; // not an answer: fewer would not help
    }
  }
  return views.kv(name, { replicas: REPLICAS.at(-1) as number, history: 1, timeout: CALL_LIMIT_MS });
}

/** Whether a write was refused because somebody else has written. */
export function isOvertaken(thrown: unknown): boolean {
  return thrown instanceof NatsError && thrown.api_error?.err_code === WRONG_REVISION;
}
