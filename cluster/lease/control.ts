import type { Exceptions } from "../placement/level.ts";

/** What the leader tells all nodes. */
export interface Control {
  readonly epoch: number;
  /** Grows within an epoch. */
  readonly sequence: number;
  readonly exceptions: Exceptions;
  /** Places of collections that are so busy that they have more than their settings say. */
  readonly replicas: ReadonlyMap<string, number>;
  /** The worst mode that any node has; empty: not told. */
  readonly mode: string;
}

export const NO_CONTROL: Control = { epoch: 0, sequence: 0, exceptions: new Map(), replicas: new Map(), mode: "" };

/**
 * The newer of the two: a leader of an older epoch is heard no more, whatever it says, and without a leader the last word
 * holds.
 */
export function newerControl(known: Control, told: Control): Control {
  if (told.epoch !== known.epoch) return told.epoch > known.epoch ? told : known;
  return told.sequence > known.sequence ? told : known;
}
