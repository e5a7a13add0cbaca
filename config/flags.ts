import { z } from "zod";
import { setting, type Values } from "./setting.ts";

const flag = (description: string) => setting(z.boolean(), true, description);

/**
 * Parts of the node that it can do without, each with the value it starts with. They are switched off and on while the node
 * runs (`PUT /v1/flags/{flag}`), where a name is spelled in snake_case: `answerCache` is `answer_cache`.
 */
export const FLAG_SETTINGS = {
  hedging: flag("Second attempts of reads and of searches on other nodes that take longer than usual"),
  shedding: flag("Doing without optional work, then refusing a part of the queries, where a collection misses its deadlines"),
  answerCache: flag("Giving an answer again that was given before, from this node's cache and from Redis"),
  staleAnswers: flag("Giving answers from before, with their age, while the stores are gone"),
  coalescing: flag("One computation for all who ask the same at the same time"),
  rewriting: flag("What a language model writes for `multi_query` and `hyde`"),
  rerank: flag("Ranking hits anew by the reranker"),
  residentIndex: flag("Indexes in memory; without them every search asks the stores"),
  routing: flag("Sending searches to other nodes of the cluster; without it each node answers what it is asked"),
  replicaGrowth: flag("More places for a collection that is busy than its settings say"),
};

/** What is switched on now, read at each use: one object a node, changed in place. */
export type Flags = Values<typeof FLAG_SETTINGS>;
export type FlagKey = keyof Flags;

/** All flags, in the order in which they are shown. */
export const FLAG_KEYS = Object.keys(FLAG_SETTINGS) as readonly FlagKey[];

/** `answerCache` -> `answer_cache` */
export function flagName(key: FlagKey): string {
  return key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** All names as callers spell them. */
export const FLAG_NAMES: readonly string[] = FLAG_KEYS.map(flagName);

const BY_NAME: ReadonlyMap<string, FlagKey> = new Map(FLAG_KEYS.map((key) => [flagName(key), key]));

/** Null: there is no such flag. */
export function flagKey(name: string): FlagKey | null {
  return BY_NAME.get(name) ?? null;
}

/** Everything switched on, for parts that stand alone. */
export const ALL_ON: Flags = Object.freeze(Object.fromEntries(FLAG_KEYS.map((key) => [key, true])) as unknown as Flags);
