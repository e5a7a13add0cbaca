import { cancellationOf } from "./cancellation.ts";
import { kennelError } from "./errors.ts";

// Invariants:
//   P1. Of `places` places no more are taken than there are, and none stays empty that someone may have.
//   P2. A tenant gets another place while it holds fewer than `factor` times the free ones, and its first while any is free.
//   P3. Tenants that wait take turns, each in its own order; at most `maxWaiting` of one tenant wait.

export interface SharedSlotsOptions {
  readonly places: number;
  /** Share of the places that a tenant may hold while no other holds any, above 0; 1: all. */
  readonly maxShare: number;
  readonly maxWaiting: number;
}

export interface SharedSlotsStats {
  readonly places: number;
  readonly taken: number;
  readonly waiting: number;
  /** Tenants that hold a place or wait for one. */
  readonly tenants: number;
  /** Since the start, what found too many of its tenant's waiting. */
  readonly refused: number;
}

interface Waiter {
  readonly enter: () => void;
}

interface Tenant {
  taken: number;
  /** In the order they came. */
  readonly waiting: Set<Waiter>;
}

/**
 * Places for work that runs side by side, shared by tenants of which none can take another's share: the more of them want
 * places, the fewer each may hold, and some are kept for whoever comes next (dynamic thresholds: Choudhury and Hahne,
 * IEEE/ACM Transactions on Networking 1998). With a share of 0.75 one tenant may hold three places of four, two three of
 * seven each.
 */
export class SharedSlots<Key> {
  readonly #options: SharedSlotsOptions;
  readonly #factor: number;
  readonly #tenants = new Map<Key, Tenant>();
  /** Those with someone waiting, in the order of their turns. */
  readonly #inLine = new Set<Key>();
  #taken = 0;
  #refused = 0;

  constructor(options: SharedSlotsOptions) {
    this.#options = options;
    this.#factor = options.maxShare >= 1 ? Number.POSITIVE_INFINITY : options.maxShare / (1 - options.maxShare);
  }

  get stats(): SharedSlotsStats {
    let waiting = 0;
    for (const tenant of this.#tenants.values()) waiting += tenant.waiting.size;
    return { places: this.#options.places, taken: this.#taken, waiting, tenants: this.#tenants.size, refused: this.#refused };
  }

  /** Resolves with the function that gives the place back. Rejects with `overloaded`, or when the signal aborts first. */
  take(key: Key, signal: AbortSignal): Promise<() => void> {
    if (signal.aborted) return Promise.reject(cancellationOf(signal));
    const tenant = this.#tenants.get(key) ?? this.#join(key);
    if (tenant.waiting.size === 0 && this.#mayEnter(tenant)) return Promise.resolve(this.#enter(key, tenant));
    if (tenant.waiting.size >= this.#options.maxWaiting) {
      this.#refused++;
      this.#leave(key, tenant);
      return Promise.reject(kennelError("overloaded", { message: "Too many calls of this collection wait for the same service" }));
    }
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        enter: () => {
          signal.removeEventListener("abort", onAbort);
          resolve(this.#enter(key, tenant));
        },
      };
      const onAbort = () => {
        this.#stopWaiting(key, tenant, waiter);
        this.#leave(key, tenant);
        reject(cancellationOf(signal));
      };
      signal.addEventListener("abort", onAbort, { once: true });
      tenant.waiting.add(waiter);
      this.#inLine.add(key);
    });
  }

  /** P2 */
  #mayEnter({ taken }: Tenant): boolean {
    const free = this.#options.places - this.#taken;
    return free > 0 && (taken === 0 || taken < this.#factor * free);
  }

  #enter(key: Key, tenant: Tenant): () => void {
    tenant.taken++;
    this.#taken++;
    let isReleased = false;
    return () => {
      if (isReleased) return;
      isReleased = true;
      tenant.taken--;
      this.#taken--;
      this.#leave(key, tenant);
      this.#letIn();
    };
  }

  #letIn(): void {
    for (let hasEntered = true; hasEntered && this.#taken < this.#options.places; ) {
      hasEntered = false;
      for (const key of this.#inLine) {
        const tenant = this.#tenants.get(key) as Tenant;
        if (!this.#mayEnter(tenant)) continue;
        const [first] = tenant.waiting;
        this.#stopWaiting(key, tenant, first as Waiter);
        first?.enter();
        if (tenant.waiting.size > 0) {
          this.#inLine.delete(key); // its next turn comes after everyone's
          this.#inLine.add(key);
        }
        hasEntered = true;
        break;
      }
    }
  }

  #stopWaiting(key: Key, tenant: Tenant, waiter: Waiter): void {
    tenant.waiting.delete(waiter);
    if (tenant.waiting.size === 0) this.#inLine.delete(key);
  }

  #join(key: Key): Tenant {
    const tenant: Tenant = { taken: 0, waiting: new Set() };
    this.#tenants.set(key, tenant);
    return tenant;
  }

  #leave(key: Key, { taken, waiting }: Tenant): void {
    if (taken === 0 && waiting.size === 0) this.#tenants.delete(key);
  }
}
