import OpenAI, { AzureOpenAI } from "openai";
import type { ProviderAddress } from "../../config/embedding_choice.ts";
import { cancellationOf, unlessAborted } from "../../runtime/cancellation.ts";
import type { Clock } from "../../runtime/clock.ts";
import { kennelError } from "../../runtime/errors.ts";
import { type HttpPool, type HttpPoolOptions, openHttpPool } from "../../runtime/http_pool.ts";
import type { Random } from "../../runtime/random.ts";
import { backoff } from "../../supervisor/backoff.ts";
import type { PoolStats } from "../../supervisor/pool.ts";
import { Deployments } from "./deployments.ts";
import { readFailure } from "./failures.ts";

// Invariants:
//   P1. A call makes at most `maxRetries` attempts beyond the number of deployments, and none after its signal aborted.
//   P2. An attempt holds one connection's place and gives it back when its answer has ended, however it ends.
//   P3. The client's own retries are off: they know neither the deadline nor a cap for `retry-after`.
//   P4. Nothing is repeated once a part of an answer has been given out.
//   P5. How many calls a deployment gets at once follows how long they wait for a connection, and its own word (429).

export interface ProviderOptions {
  readonly kind: "openai" | "azure";
  /** For messages. */
  readonly model: string;
  readonly addresses: readonly ProviderAddress[];
  readonly azureApiVersion: string;
  /** Of each deployment. */
  readonly pool: Omit<HttpPoolOptions, "clock">;
  /** For one attempt, from the connection's place on. */
  readonly attemptTimeoutMs: number;
  readonly maxRetries: number;
  readonly retryDelayMs: number;
  /** Where a longer pause is asked for, the call fails at once, and its error says when to come back. */
  readonly maxRetryDelayMs: number;
  /** Told of each attempt: `ok` or an error's code. */
  readonly onAttempt: (outcome: string, durationMs: number) => void;
  readonly clock: Clock;
  readonly random: Random;
}

/** What one attempt gets: the client of its deployment, the model's name there, and options that every call must be given. */
export interface Attempt {
  readonly client: OpenAI;
  readonly model: string;
  readonly options: { readonly signal: AbortSignal; readonly timeout: number; readonly maxRetries: 0 };
  /**
   * A part of the answer is being given out: from now on the attempt is not repeated. Its time limit stands still until
   * `taken` settles and starts anew then, so that it holds for each part.
   */
  delivered(taken: Promise<void>): Promise<void>;
}

interface Deployment extends ProviderAddress {
  readonly client: OpenAI;
  readonly pool: HttpPool;
}

/** One model at one provider, behind one or several deployments. */
export class Provider {
  readonly #options: ProviderOptions;
  readonly #members: readonly Deployment[];
  readonly #deployments: Deployments<Deployment>;

  private constructor(options: ProviderOptions, members: readonly Deployment[]) {
    this.#options = options;
    this.#members = members;
    this.#deployments = new Deployments(members, options.clock);
  }

  /** Opens no connection yet: the first call does. */
  static async open(options: ProviderOptions): Promise<Provider> {
    const members: Deployment[] = [];
    for (const address of options.addresses) {
      const pool = await openHttpPool({ ...options.pool, clock: options.clock });
      members.push({ ...address, pool, client: clientOf(address, options, pool) });
    }
    return new Provider(options, members);
  }

  get pool(): PoolStats {
    const sum = { size: 0, idle: 0, inUse: 0, waiting: 0, limit: 0, max: 0 };
    for (const { pool } of this.#members) {
      const { size, idle, inUse, waiting, limit, max } = pool.stats;
      sum.size += size;
      sum.idle += idle;
      sum.inUse += inUse;
      sum.waiting += waiting;
      sum.limit += limit;
      sum.max += max;
    }
    return sum;
  }

  get deployments(): { readonly total: number; readonly healthy: number } {
    return { total: this.#deployments.size, healthy: this.#deployments.healthy };
  }

  /**
   * Runs `work` on one deployment after another until one answers. Rejects with `invalid_request` (the request is at
   * fault), `overloaded`, `unavailable` (also for answers that make no sense), or the signal's cancellation.
   */
  async call<Result>(work: (attempt: Attempt) => Promise<Result>, signal: AbortSignal): Promise<Result> {
    const { maxRetries, maxRetryDelayMs, retryDelayMs, clock, random } = this.#options;
    const tried = new Set<Deployment>();
    for (let attempt = 0, rounds = 0; ; attempt++) {
      if (signal.aborted) throw cancellationOf(signal);
      const deployment = this.#deployments.pick(tried);
      const startedMs = clock.monotonicMs();
      const progress = { hasDelivered: false };
      const report = (outcome: string) => this.#options.onAttempt(outcome, clock.monotonicMs() - startedMs);
      try {
        const result = await this.#attempt(deployment, progress, work, signal);
        this.#deployments.succeeded(deployment);
        report("ok");
        return result;
      } catch (thrown) {
        const { kind, error, retryAfterMs, isBusy } = readFailure(thrown, this.#options.model);
        if (isBusy) deployment.pool.slowDown(); // P5
        report(signal.aborted ? "cancelled" : error.code);
        if (signal.aborted) throw cancellationOf(signal);
        if (kind === "refused") {
          this.#deployments.succeeded(deployment);
          throw error;
        }
        this.#deployments.failed(deployment, retryAfterMs);
        if (progress.hasDelivered) throw error; // P4
        tried.add(deployment);
        if (attempt >= maxRetries + this.#deployments.size - 1) throw error; // P1
        if (tried.size < this.#deployments.size) continue;
        if (kind === "settings") throw error;
        tried.clear();
        const ownMs = backoff({ backoffMs: retryDelayMs, maxBackoffMs: maxRetryDelayMs }, rounds++, random);
        if ((retryAfterMs ?? 0) > maxRetryDelayMs) throw error;
        await clock.sleep(Math.max(ownMs, retryAfterMs ?? 0), signal).catch(() => Promise.reject(cancellationOf(signal)));
      }
    }
  }

  async #attempt<Result>(
    deployment: Deployment,
    progress: { hasDelivered: boolean },
    work: (attempt: Attempt) => Promise<Result>,
    signal: AbortSignal,
  ): Promise<Result> {
    const { attemptTimeoutMs, model, clock } = this.#options;
    const release = await deployment.pool.take(signal); // P2
    const limit = new AbortController();
    const startTimer = () =>
      clock.setTimer(attemptTimeoutMs, () =>
        limit.abort(kennelError("unavailable", { message: `The provider of ${model} did not answer within ${attemptTimeoutMs} ms` })),
      );
    let timer = startTimer();
    const both = AbortSignal.any([signal, limit.signal]);
    const options = { signal: both, timeout: attemptTimeoutMs, maxRetries: 0 } as const; // P3
    const delivered = async (taken: Promise<void>) => {
      progress.hasDelivered = true;
      timer.cancel();
      await taken;
      if (!both.aborted) timer = startTimer();
    };
    try {
      return await unlessAborted(work({ client: deployment.client, model: deployment.deployment, options, delivered }), both);
    } finally {
      timer.cancel();
      release();
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#members.map(({ pool }) => pool.close()));
  }
}

function clientOf(address: ProviderAddress, { kind, azureApiVersion, attemptTimeoutMs }: ProviderOptions, { fetch }: HttpPool): OpenAI {
  // A server of one's own may want no key, the client wants some text.
  const shared = { apiKey: address.apiKey || "none", maxRetries: 0, timeout: attemptTimeoutMs, logLevel: "off", fetch } as const;
  return kind === "azure"
    ? new AzureOpenAI({ ...shared, baseURL: null, endpoint: address.url, deployment: address.deployment, apiVersion: azureApiVersion })
    : new OpenAI({ ...shared, baseURL: address.url });
}
