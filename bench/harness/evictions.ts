import type { HostNotes } from "./hosted_node.ts";

interface Span {
  readonly collection: string;
  readonly atMs: number;
  readonly durationMs: number;
}

interface Change {
  readonly atMs: number;
  readonly event: string;
}

/** When which collection came into memory and left it, by the supervisor's own events. */
export interface Lives {
  readonly loads: readonly Span[];
  /** From the decision to the end of its actor, a snapshot that had to be saved included. */
  readonly evictions: readonly Span[];
  readonly changes: ReadonlyMap<string, readonly Change[]>;
}

/** @param events of retrievers (`node/retrievers/docs.v1`) and others, in their order */
export function livesOf(events: HostNotes["events"]): Lives {
  const changes = new Map<string, Change[]>();
  const [loads, evictions]: [Span[], Span[]] = [[], []];
  for (const { atMs, path, event } of events) {
    const collection = /\/retrievers\/([^./]+)\.v\d+/.exec(path)?.[1];
    if (collection === undefined) continue;
    const own = changes.get(collection) ?? [];
    changes.set(collection, own);
    const since = (what: string): Change | undefined => own.findLast((change) => change.event === what);
    const [started, leaving] = [since("started"), since("draining")];
    if (event === "ready" && started !== undefined) loads.push({ collection, atMs: started.atMs, durationMs: atMs - started.atMs });
    if (event === "stopped" && leaving !== undefined) evictions.push({ collection, atMs: leaving.atMs, durationMs: atMs - leaving.atMs });
    own.push({ atMs, event });
  }
  return { loads, evictions, changes };
}

export interface Asked {
  readonly collection: string;
  readonly atMs: number;
  readonly durationMs: number;
}

/** Durations in ms of searches, by what they met. */
export interface Weighed {
  /** The collection was in memory; parted by whether another one was leaving when the search was sent. */
  readonly hits: readonly number[];
  readonly beside: readonly number[];
  readonly without: readonly number[];
  /** The collection had to be loaded, or was being loaded for another search; parted likewise. */
  readonly reloads: readonly number[];
  readonly reloadsBeside: readonly number[];
  readonly reloadsWithout: readonly number[];
  /** The collection itself was leaving: what such a search takes is what it may have waited for the leaving, and a reload. */
  readonly ownEviction: readonly number[];
  /** Sent after an eviction of another collection had begun, and answered before that had ended. */
  readonly withinAnEviction: number;
}

export function classify(asked: readonly Asked[], { evictions, changes }: Lives): Weighed {
  const weighed = { hits: [], beside: [], without: [], reloads: [], reloadsBeside: [], reloadsWithout: [], ownEviction: [] } as {
    readonly [Kind in Exclude<keyof Weighed, "withinAnEviction">]: number[];
  };
  let withinAnEviction = 0;
  for (const search of asked) {
    const { collection, atMs, durationMs } = search;
    const endMs = atMs + durationMs;
    const others = evictions.filter((eviction) => eviction.collection !== collection && eviction.atMs <= atMs);
    const isBeside = others.some((eviction) => eviction.atMs + eviction.durationMs > atMs);
    if (others.some((eviction) => eviction.atMs + eviction.durationMs > endMs)) withinAnEviction += 1;
    const kind = kindOf(search, changes.get(collection) ?? []);
    weighed[kind].push(durationMs);
    if (kind === "hits") weighed[isBeside ? "beside" : "without"].push(durationMs);
    if (kind === "reloads") weighed[isBeside ? "reloadsBeside" : "reloadsWithout"].push(durationMs);
  }
  return { ...weighed, withinAnEviction };
}

/** A collection to which nothing happened was in memory all the time, since a search would have brought it there. */
function kindOf({ atMs, durationMs }: Asked, changes: readonly Change[]): "hits" | "reloads" | "ownEviction" {
  const state = changes.findLast((change) => change.atMs <= atMs)?.event ?? (changes[0]?.event === "started" ? "stopped" : "ready");
  // On its way here the search may have met a leaving that began after it was sent.
  const isLeaving = changes.some(({ atMs: changedMs, event }) => event === "draining" && changedMs > atMs && changedMs < atMs + durationMs);
  if (state === "draining" || (state === "ready" && isLeaving && durationMs > 5)) return "ownEviction";
  return state === "ready" ? "hits" : "reloads";
}
