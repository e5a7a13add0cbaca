import { unlessAborted } from "../../runtime/cancellation.ts";
import { type KennelError, toKennelError } from "../../runtime/errors.ts";
import type { ActorContext, Outcome } from "../../supervisor/kernel/behavior.ts";
import type { MemoryIndex } from "./index/memory_index.ts";
import type { Residency } from "./index/residency.ts";
import type { MadeIndex } from "./messages.ts";

/** What a snapshot gave: null where none is of use. */
export type LoadedIndex = Outcome<MemoryIndex | null>;

/** Never rejects. A failure is no reason not to build, and only told of; that too many wait to be loaded is the outcome. */
export async function loadIndex(
  residency: Residency,
  indexVersion: number,
  signal: AbortSignal,
  onFailed: (error: KennelError) => void,
): Promise<LoadedIndex> {
  const loaded = await settled(residency.load(indexVersion, signal));
  if (loaded.ok || loaded.error.code === "overloaded" || signal.aborted) return loaded;
  onFailed(loaded.error);
  return { ok: true, value: null };
}

/** The index that was loaded, or else one built from the store. */
export async function loadedOrBuilt(
  residency: Residency,
  indexVersion: number,
  loading: Promise<LoadedIndex>,
  signal: AbortSignal,
): Promise<MadeIndex> {
  const loaded = await loading;
  if (!loaded.ok) throw loaded.error;
  if (loaded.value !== null) return { index: loaded.value, isSaved: true };
  return { index: await residency.build(indexVersion, signal), isSaved: false };
}

export const LATE = Symbol("late");

/** What the promise gives within the time; it goes on after it. Rejects when the incarnation is told to stop. */
export async function within<Value>(
  context: Pick<ActorContext<unknown>, "clock" | "stopping">,
  limitMs: number,
  promise: Promise<Value>,
): Promise<Value | typeof LATE> {
  const late = Promise.withResolvers<typeof LATE>();
  const timer = context.clock.setTimer(limitMs, () => late.resolve(LATE));
  try {
    return await unlessAborted(Promise.race([promise, late.promise]), context.stopping);
  } finally {
    timer.cancel();
  }
}

export async function settled<Value>(promise: Promise<Value>): Promise<Outcome<Value>> {
  try {
    return { ok: true, value: await promise };
  } catch (thrown) {
    return { ok: false, error: toKennelError(thrown) };
  }
}
