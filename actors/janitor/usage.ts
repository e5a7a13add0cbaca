import { readFile, rename, stat, writeFile } from "node:fs/promises";
import { z } from "zod";
import type { Clock } from "../../runtime/clock.ts";

/** Searches of one collection that callers have asked this node for. */
export interface CollectionUsage {
  readonly collection: string;
  readonly searches: number;
  /** Wall time of the first that was counted, and of the last. */
  readonly firstAtMs: number;
  readonly lastAtMs: number;
  /** By day (`2026-01-31`, UTC), oldest first; the last 30 days with any. */
  readonly days: readonly (readonly [day: string, searches: number])[];
}

const DAYS = 30;
const DAY_MS = 86_400_000;
/** A larger file was not written by this code. */
const MAX_FILE_BYTES = 64 * 1_048_576;

const usageSchema = z.object({
  collection: z.string(),
  searches: z.int().min(0),
  first_at_ms: z.number(),
  last_at_ms: z.number(),
  days: z.array(z.tuple([z.string().regex(/^\d{4}-\d{2}-\d{2}$/), z.int().min(0)])).max(DAYS),
});
const fileSchema = z.object({ version: z.literal(1), collections: z.array(usageSchema) });

interface Counter {
  searches: number;
  firstAtMs: number;
  lastAtMs: number;
  readonly days: Map<string, number>;
}

/**
 * How often each collection is searched, kept over restarts in one file of the data folder. At most `maxCollections` are
 * counted: the one that was not used for longest makes room. A crash loses what was counted since the file was last written.
 */
export class UsageStatistics {
  readonly #path: string;
  readonly #maxCollections: number;
  readonly #clock: Clock;
  /** In order of their last use. */
  readonly #counters = new Map<string, Counter>();
  #hasChanged = false;
  #hasLoaded = false;

  constructor(path: string, maxCollections: number, clock: Clock) {
    this.#path = path;
    this.#maxCollections = maxCollections;
    this.#clock = clock;
  }

  add(uses: readonly { readonly collection: string; readonly atMs: number; readonly count: number }[]): void {
    for (const { collection, atMs, count } of uses) {
      const counter = this.#counters.get(collection) ?? { searches: 0, firstAtMs: atMs, lastAtMs: atMs, days: new Map<string, number>() };
      const day = dayOf(atMs);
      counter.searches += count;
      counter.lastAtMs = Math.max(counter.lastAtMs, atMs);
      counter.days.set(day, (counter.days.get(day) ?? 0) + count);
      this.#keep(collection, counter);
    }
    this.#hasChanged ||= uses.length > 0;
  }

  forget(collection: string): void {
    this.#hasChanged = this.#counters.delete(collection) || this.#hasChanged;
  }

  /** Most searched within the last `days` first, equal ones by name. */
  top(limit: number, days = DAYS): readonly CollectionUsage[] {
    const from = dayOf(this.#clock.wallMs() - (days - 1) * DAY_MS);
    const recent = (counter: Counter) => [...counter.days].reduce((sum, [day, searches]) => sum + (day >= from ? searches : 0), 0);
    const ranked = [...this.#counters].map(([collection, counter]) => ({ collection, counter, recent: recent(counter) }));
    ranked.sort((left, right) => right.recent - left.recent || (left.collection < right.collection ? -1 : 1));
    return ranked.slice(0, limit).map(({ collection, counter }) => ({
      collection,
      searches: counter.searches,
      firstAtMs: counter.firstAtMs,
      lastAtMs: counter.lastAtMs,
      days: [...counter.days].sort(([left], [right]) => (left < right ? -1 : 1)),
    }));
  }

  /** Adds what earlier processes have counted; a file that is missing or damaged counts for an empty one. */
  async load(): Promise<void> {
    const parsed = fileSchema.safeParse(await this.#read());
    const earlier = parsed.success ? parsed.data.collections : [];
    const now = [...this.#counters];
    this.#counters.clear();
    for (const { collection, searches, first_at_ms: firstAtMs, last_at_ms: lastAtMs, days } of earlier)
      this.#keep(collection, { searches, firstAtMs, lastAtMs, days: new Map(days) });
    for (const [collection, counter] of now) this.#keep(collection, sumOf(this.#counters.get(collection), counter));
    this.#hasLoaded = true;
  }

  /** Writes what has changed, once it was loaded: before that, it would take the place of more. @returns collections written */
  async save(): Promise<number> {
    if (!this.#hasLoaded || !this.#hasChanged) return 0;
    this.#hasChanged = false;
    const collections = [...this.#counters].map(([collection, { searches, firstAtMs, lastAtMs, days }]) => ({
      collection,
      searches,
      first_at_ms: firstAtMs,
      last_at_ms: lastAtMs,
      days: [...days],
    }));
    const draft = `${this.#path}.draft`;
    try {
      await writeFile(draft, JSON.stringify({ version: 1, collections }), { mode: 0o600 });
      await rename(draft, this.#path);
    } catch (thrown) {
      this.#hasChanged = true;
      throw thrown;
    }
    return collections.length;
  }

  async #read(): Promise<unknown> {
    try {
      return (await stat(this.#path)).size > MAX_FILE_BYTES ? null : JSON.parse(await readFile(this.#path, "utf8"));
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === "ENOENT" || thrown instanceof SyntaxError) return null;
      throw thrown;
    }
  }

  #keep(collection: string, counter: Counter): void {
    for (const day of [...counter.days.keys()].sort().slice(0, -DAYS)) counter.days.delete(day);
    this.#counters.delete(collection); // to the end: used last
    this.#counters.set(collection, counter);
    const [oldest] = this.#counters.keys();
    if (this.#counters.size > this.#maxCollections && oldest !== undefined) this.#counters.delete(oldest);
  }
}

const dayOf = (wallMs: number) => new Date(wallMs).toISOString().slice(0, 10);

function sumOf(earlier: Counter | undefined, later: Counter): Counter {
  if (earlier === undefined) return later;
  const days = new Map(earlier.days);
  for (const [day, searches] of later.days) days.set(day, (days.get(day) ?? 0) + searches);
  const searches = earlier.searches + later.searches;
  return { searches, firstAtMs: Math.min(earlier.firstAtMs, later.firstAtMs), lastAtMs: Math.max(earlier.lastAtMs, later.lastAtMs), days };
}
