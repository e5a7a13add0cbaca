/** Bounds of one actor. */
export interface ActorLimits {
  /** Messages that wait in the work lane. */
  readonly mailboxCapacity: number;
  /** Messages that wait in the control lane. */
  readonly controlCapacity: number;
  /** Asks taken and not yet settled, and piped work that runs. */
  readonly maxInFlight: number;
  /** An ask is counted as slow beyond this. */
  readonly slowCallMs: number;
}
