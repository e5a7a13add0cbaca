/**
 * Work that one process at a time does, of those that share a document store: a claim on a name, held by a session. A
 * session that shows no sign of life for the lease's time is ended by whoever wants what it holds, and with it all of its
 * claims; each process measures that by its own monotonic clock from when it first saw the last sign.
 */
export interface WorkClaims {
  /** @param session a name that no other has or has had */
  beginSession(session: string, signal: AbortSignal): Promise<void>;
  /** Shows that the session lives. False: it was taken for dead, and holds nothing any more. */
  beat(session: string, signal: AbortSignal): Promise<boolean>;
  /** Its claims are free at once. */
  endSession(session: string, signal: AbortSignal): Promise<void>;
  /** True also where the session holds it already. False: another one that lives does, and is told that somebody waits. */
  claim(session: string, name: string, signal: AbortSignal): Promise<boolean>;
  /** What the session does not hold stays as it is. @returns whether another one waits for it */
  release(session: string, name: string, signal: AbortSignal): Promise<boolean>;
  /** Names that are held by sessions not known to be dead, at most 100,000. */
  claimed(signal: AbortSignal): Promise<ReadonlySet<string>>;
}

/** Of a store that one process has to itself: nobody else is there to hold anything. */
export function soleClaims(): WorkClaims {
  const held = new Set<string>();
  return {
    beginSession: async () => {},
    beat: async () => true,
    endSession: async () => held.clear(),
    async claim(_session, name) {
      held.add(name);
      return true;
    },
    async release(_session, name) {
      held.delete(name);
      return false;
    },
    claimed: async () => new Set(held),
  };
}
