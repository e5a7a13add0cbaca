/**
 * What operators have said that is to hold on the whole cluster: the mode that they force, and what they have switched off or
 * on. It is one record, so that one comparison tells which of two is the newer.
 *
 * Invariants:
 *   O1. A word is changed by a compare-and-set where all nodes ask, and each change has an epoch above every epoch that its
 *       writer has heard of: a node that has heard one word takes no older one, wherever it comes from.
 *   O2. A node that cannot ask keeps the last word that it has heard, also over a restart.
 *   O3. What another version of the wire has said and this one does not know is kept when it is said again, and does nothing.
 */
import { z } from "zod";

const WORD_WIRE_VERSION = 1;

/** One flag as an operator wants it. */
export interface SaidFlag {
  readonly enabled: boolean;
  /** Why, in the operator's words; empty: not said. */
  readonly reason: string;
  /** Wall time, for people. */
  readonly atMs: number;
  /** The node that was told. */
  readonly node: string;
}

export interface OperatorWord {
  /** 0: nothing has been said yet. */
  readonly epoch: number;
  /** The node that has written it. */
  readonly node: string;
  /** A mode's name; null: the services decide. */
  readonly mode: string | null;
  /** By the flag's name; what is not in it has the value it started with. */
  readonly flags: ReadonlyMap<string, SaidFlag>;
  /** Fields of later versions of the wire (O3). */
  readonly others: Readonly<Record<string, unknown>>;
}

export const NOTHING_SAID: OperatorWord = { epoch: 0, node: "", mode: null, flags: new Map(), others: {} };

export const MAX_REASON_LENGTH = 500;
/** Flags of all versions together; nobody has so many. */
const MAX_FLAGS = 256;
const MAX_BYTES = 262_144;

const wireFlag = z.object({
  enabled: z.boolean(),
  reason: z.string().max(MAX_REASON_LENGTH).default(""),
  at_ms: z.number().default(0),
  node: z.string().max(64).default(""),
});

const wireWord = z.looseObject({
  v: z.int().min(1),
  epoch: z.int().min(1),
  node: z.string().max(64),
  mode: z.string().max(32).nullable().default(null),
  flags: z
    .record(z.string().max(64), wireFlag)
    .refine((flags) => Object.keys(flags).length <= MAX_FLAGS)
    .default({}),
});

export function encodeWord({ epoch, node, mode, flags, others }: OperatorWord): string {
  const told = [...flags].map(([name, { enabled, reason, atMs, node: by }]) => [name, { enabled, reason, at_ms: atMs, node: by }] as const);
  return JSON.stringify({ v: WORD_WIRE_VERSION, ...others, epoch, node, mode, flags: Object.fromEntries(told) });
}

/** Null: not what `encodeWord` of any version writes. */
export function parseWord(text: string): OperatorWord | null {
  if (text.length > MAX_BYTES) return null;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return null;
  }
  const parsed = wireWord.safeParse(json);
  if (!parsed.success) return null;
  const { v, epoch, node, mode, flags, ...others } = parsed.data;
  const said = Object.entries(flags).map(([name, { enabled, reason, at_ms: atMs, node: by }]) => {
    return [name, { enabled, reason, atMs, node: by }] as const;
  });
  return { epoch, node, mode, flags: new Map(said), others: v > WORD_WIRE_VERSION ? { ...others, v } : others };
}

/** The newer of the two (O1). Of two with one epoch, which only a store that was lost between them can give, all take the same. */
export function newerWord(known: OperatorWord, told: OperatorWord): OperatorWord {
  if (told.epoch !== known.epoch) return told.epoch > known.epoch ? told : known;
  return told.node > known.node ? told : known;
}

/**
 * An epoch above all that are known. It is the wall clock's time where that is higher, so that it grows also for a node that has
 * heard nothing while the store was lost and begun anew; a clock that jumps back costs nothing, one that jumped ahead leaves the
 * others counting from there.
 */
export function nextEpoch(wallMs: number, ...known: readonly number[]): number {
  return Math.max(Math.floor(wallMs), 1, ...known.map((epoch) => epoch + 1));
}

/** What is to be written of a change, over what stands there; the change is made to the newer of that and what its writer has heard. */
export function changedWord(
  own: OperatorWord,
  there: OperatorWord,
  change: (word: OperatorWord) => OperatorWord,
  { node, wallMs }: { readonly node: string; readonly wallMs: number },
): OperatorWord {
  const known = newerWord(own, there);
  return { ...change(known), node, epoch: nextEpoch(wallMs, known.epoch, own.epoch) }; // O1
}

/** What a look at what stands there leads to: it is heard, or what was heard before is newer and is written there again. */
export function compareWord(own: OperatorWord, there: OperatorWord): "hear" | "restore" {
  return newerWord(there, own) === there ? "hear" : "restore";
}
