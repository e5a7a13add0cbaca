import { z } from "zod";
import { collectionPath } from "./client.ts";
import type { CommandContext } from "./context.ts";
import { startProgress } from "./progress.ts";

export interface WarmOptions {
  readonly json: boolean;
}

/** Warms collections one after the other; the first that can't be ends the command. */
export async function warm(
  { client, clock, terminal, signal }: CommandContext,
  collections: readonly string[],
  options: WarmOptions,
): Promise<number> {
  const progress = await startProgress(terminal, "Warming", "collections");
  const warmed: { readonly collection: string; readonly duration_ms: number }[] = [];
  try {
    for (const [at, collection] of collections.entries()) {
      progress.update(at, collections.length);
      const startedMs = clock.monotonicMs();
      await client.request("POST", `${collectionPath(collection)}/warm`, z.unknown(), { signal });
      warmed.push({ collection, duration_ms: Math.round(clock.monotonicMs() - startedMs) });
    }
  } finally {
    progress.stop();
  }
  if (options.json) terminal.out(JSON.stringify(warmed));
  else for (const { collection, duration_ms } of warmed) terminal.out(`${collection} is warm (${duration_ms} ms)`);
  return 0;
}
