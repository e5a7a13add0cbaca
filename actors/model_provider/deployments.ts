import type { Clock } from "../../runtime/clock.ts";

/** One address that serves the model. */
export interface Weighted {
  /** > 0 */
  readonly weight: number;
}

interface Standing<Deployment> {
  readonly deployment: Deployment;
  /** Smooth weighted round robin, as nginx does it: the highest goes next and pays the sum of all weights. */
  credit: number;
  failures: number;
  /** Put aside until then, by the monotonic clock. */
  pausedUntilMs: number;
}

const FIRST_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 60_000;

/**
 * Which deployment a call goes to. One that failed is put aside, longer with each failure in a row; when its pause is
 * over, a single call tries it, and its success brings it back to its share.
 */
export class Deployments<Deployment extends Weighted> {
  readonly #standings: readonly Standing<Deployment>[];
  readonly #clock: Clock;

  constructor(deployments: readonly Deployment[], clock: Clock) {
    if (deployments.length === 0) throw new RangeError("A provider has at least one deployment");
    this.#standings = deployments.map((deployment) => ({ deployment, credit: 0, failures: 0, pausedUntilMs: 0 }));
    this.#clock = clock;
  }

  get size(): number {
    return this.#standings.length;
  }

  get healthy(): number {
    return this.#standings.filter(({ failures }) => failures === 0).length;
  }

  /** Never one of `tried`, unless all are; where all are put aside, the one that comes back first. */
  pick(tried: ReadonlySet<Deployment>): Deployment {
    const nowMs = this.#clock.monotonicMs();
    const fresh = this.#standings.filter(({ deployment }) => !tried.has(deployment));
    const open = fresh.length > 0 ? fresh : this.#standings;
    const ready = open.filter(({ pausedUntilMs }) => pausedUntilMs <= nowMs);
    const chosen = ready.length > 0 ? heaviest(ready) : soonest(open);
    // Until it has proved itself, the others' calls go elsewhere.
    if (chosen.failures > 0) chosen.pausedUntilMs = nowMs + pauseMs(chosen.failures);
    return chosen.deployment;
  }

  succeeded(deployment: Deployment): void {
    const standing = this.#find(deployment);
    standing.failures = 0;
    standing.pausedUntilMs = 0;
  }

  failed(deployment: Deployment, retryAfterMs: number | null): void {
    const standing = this.#find(deployment);
    standing.failures++;
    const forMs = Math.min(MAX_PAUSE_MS, Math.max(retryAfterMs ?? 0, pauseMs(standing.failures)));
    standing.pausedUntilMs = this.#clock.monotonicMs() + forMs;
  }

  #find(deployment: Deployment): Standing<Deployment> {
    const found = this.#standings.find((standing) => standing.deployment === deployment);
    if (found === undefined) throw new TypeError("This deployment belongs to another provider");
    return found;
  }
}

function pauseMs(failures: number): number {
  return Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures - 1, 16));
}

function heaviest<Deployment extends Weighted>(standings: readonly Standing<Deployment>[]): Standing<Deployment> {
  let sum = 0;
  let best = standings[0] as Standing<Deployment>;
  for (const standing of standings) {
    standing.credit += standing.deployment.weight;
    sum += standing.deployment.weight;
    if (standing.credit > best.credit) best = standing;
  }
  best.credit -= sum;
  return best;
}

function soonest<Deployment>(standings: readonly Standing<Deployment>[]): Standing<Deployment> {
  return standings.reduce((first, next) => (next.pausedUntilMs < first.pausedUntilMs ? next : first));
}
