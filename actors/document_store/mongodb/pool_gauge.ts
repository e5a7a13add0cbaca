import type { MongoClient } from "mongodb";
import type { PoolStats } from "../../../supervisor/pool.ts";

/** Counts a client's connections by the driver's own events, over the pools of all its servers. */
export class PoolGauge {
  #pools = 0;
  #size = 0;
  #inUse = 0;
  #waiting = 0;
  #maxPoolSize = 0;
  #forget: () => void = () => {};

  /** From now on the numbers are this client's; those of the one before are forgotten. */
  follow(client: MongoClient, maxPoolSize: number): void {
    this.#pools = 0;
    this.#size = 0;
    this.#inUse = 0;
    this.#waiting = 0;
    this.#maxPoolSize = maxPoolSize;
    let isCurrent = true;
    this.#forget();
    this.#forget = () => {
      isCurrent = false;
    };
    const count = (change: () => void) => () => {
      if (isCurrent) change();
    };
    client.on(
      "connectionPoolCreated",
      count(() => this.#pools++),
    );
    client.on(
      "connectionPoolClosed",
      count(() => this.#pools--),
    );
    client.on(
      "connectionCreated",
      count(() => this.#size++),
    );
    client.on(
      "connectionClosed",
      count(() => this.#size--),
    );
    client.on(
      "connectionCheckOutStarted",
      count(() => this.#waiting++),
    );
    client.on(
      "connectionCheckOutFailed",
      count(() => this.#waiting--),
    );
    client.on(
      "connectionCheckedOut",
      count(() => {
        this.#waiting--;
        this.#inUse++;
      }),
    );
    client.on(
      "connectionCheckedIn",
      count(() => this.#inUse--),
    );
  }

  read(): PoolStats {
    // A connection that broke while it was lent is closed before it is given back.
    const inUse = Math.min(this.#inUse, this.#size);
    const max = this.#maxPoolSize * Math.max(1, this.#pools);
    return { size: this.#size, idle: this.#size - inUse, inUse, waiting: this.#waiting, limit: max, max };
  }
}
