/** The connections that one service's client holds, as its status shows them. */
export interface PoolStats {
  /** Open connections: `idle + inUse`. */
  readonly size: number;
  readonly idle: number;
  readonly inUse: number;
  /** Calls that wait for a connection. */
  readonly waiting: number;
  /** Connections that there may be now; as many as `max` where the client's own library decides. */
  readonly limit: number;
  /** Most connections that will ever be open. */
  readonly max: number;
}
