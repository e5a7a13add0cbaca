import process from "node:process";
import type { Clock } from "./clock.ts";
import { PoolSize } from "./pool_size.ts";
import { Slots } from "./slots.ts";

/**
 * Connections to one HTTP service, kept alive. The two runtimes differ: on Node, undici's own agent bounds the sockets,
 * where the built-in `fetch` opens one for every call in flight; Deno's client bounds the idle ones only. So calls take a
 * place first on both, and no call waits inside a client where nothing can be seen or cancelled.
 */
export interface HttpPoolOptions {
  /** Calls at once that are always let through; between this and the most, `PoolSize` decides. At most `maxConnections`. */
  readonly minConnections: number;
  readonly maxConnections: number;
  /** A call that has waited this long for a connection gets another one, as long as there may be more. */
  readonly growAfterMs: number;
  /** Calls that wait for a connection; one more is refused with `overloaded`. */
  readonly maxWaiting: number;
  /** An unused connection is closed after it, and a pool of which half was not used becomes smaller. */
  readonly idleMs: number;
  readonly connectTimeoutMs: number;
  readonly clock: Clock;
}

type Fetch = typeof globalThis.fetch;

export interface HttpPool {
  /** Only within a place that `take` gave. */
  readonly fetch: Fetch;
  /** Resolves with what gives the place back, once the answer's body has ended. Rejects with `overloaded` or `cancelled`. */
  take(signal: AbortSignal): Promise<() => void>;
  /** The service has said that it is too busy: fewer calls at once, for now. */
  slowDown(): void;
  readonly stats: HttpPoolStats;
  /** Closes the connections. Idempotent. */
  close(): Promise<void>;
}

export interface HttpPoolStats {
  readonly size: number;
  /** Let go of within `idleMs`: neither client counts them for us. */
  readonly idle: number;
  readonly inUse: number;
  readonly waiting: number;
  /** Connections that there may be now. */
  readonly limit: number;
  readonly max: number;
}

interface Client {
  readonly fetch: Fetch;
  close(): Promise<void>;
}

export async function openHttpPool(options: HttpPoolOptions): Promise<HttpPool> {
  const { minConnections, maxConnections, growAfterMs, maxWaiting, idleMs, clock } = options;
  const client = "deno" in process.versions ? denoClient(options) : await undiciClient(options);
  const size = new PoolSize({
    min: Math.min(minConnections, maxConnections),
    max: maxConnections,
    growAfterMs,
    shrinkAfterMs: idleMs,
    clock,
  });
  const slots = new Slots(size.current(0), maxWaiting);
  /** When each idle connection was let go of, the oldest first; the last one is taken first. */
  const idleSince: number[] = [];
  let closing: Promise<void> | null = null;
  const grow = (): void => {
    size.waited();
    slots.resize(size.current(slots.taken));
  };
  return {
    fetch: client.fetch,
    async take(signal) {
      const hasToWait = slots.taken >= slots.places;
      const growing = hasToWait ? clock.setTimer(growAfterMs, grow) : null;
      const release = await slots.take(signal).finally(() => growing?.cancel());
      slots.resize(size.current(slots.taken));
      idleSince.pop();
      let isReleased = false;
      return () => {
        if (isReleased) return;
        isReleased = true;
        idleSince.push(clock.monotonicMs());
        release();
      };
    },
    slowDown() {
      size.refused();
      slots.resize(size.current(slots.taken));
    },
    get stats() {
      slots.resize(size.current(slots.taken));
      const oldest = clock.monotonicMs() - idleMs;
      while (idleSince.length > 0 && (idleSince[0] as number) < oldest) idleSince.shift();
      const inUse = slots.taken;
      const idle = closing === null ? Math.min(idleSince.length, maxConnections - inUse) : 0;
      return { size: idle + inUse, idle, inUse, waiting: slots.waiting, limit: slots.places, max: maxConnections };
    },
    close() {
      closing ??= client.close();
      return closing;
    },
  };
}

async function undiciClient({ maxConnections, idleMs, connectTimeoutMs }: HttpPoolOptions): Promise<Client> {
  const { Agent, fetch } = await import("undici");
  const dispatcher = new Agent({
    connections: maxConnections,
    pipelining: 1,
    keepAliveTimeout: idleMs,
    connect: { timeout: connectTimeoutMs },
    // Callers set limits of their own, which end with the call.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  // undici's types and the runtime's own describe the same `fetch`.
  const send = fetch as unknown as (input: unknown, init: object) => Promise<Response>;
  return { fetch: (input, init) => send(input, { ...init, dispatcher }), close: () => dispatcher.destroy() };
}

interface DenoHttp {
  createHttpClient(options: { poolMaxIdlePerHost: number; poolIdleTimeout: number }): { close(): void };
}

function denoClient({ maxConnections, idleMs }: HttpPoolOptions): Client {
  const { Deno } = globalThis as unknown as { readonly Deno: DenoHttp };
  const client = Deno.createHttpClient({ poolMaxIdlePerHost: maxConnections, poolIdleTimeout: idleMs });
  return {
    fetch: (input, init) => fetch(input, { ...init, client } as RequestInit),
    close: async () => client.close(),
  };
}
