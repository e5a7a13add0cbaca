import { setTimeout as sleep } from "node:timers/promises";
import type { KubernetesClient } from "../../../tooling/servers/kubernetes_client.ts";
import type { List, Metadata } from "./objects.ts";

const AGAIN_MS = 250;

/**
 * All objects that a list names, kept current until the signal: listed, then watched; listed anew when a watch has ended.
 * @param path of the list, with a query or without
 * @param onChange told of each change with the object as it is now; null: it is gone
 */
export async function keepWatching<Item extends { readonly metadata: Metadata }>(
  client: KubernetesClient,
  path: string,
  onChange: (object: Item, isGone: boolean) => void,
  signal: AbortSignal,
): Promise<void> {
  const known = new Map<string, Item>();
  const separator = path.includes("?") ? "&" : "?";
  while (!signal.aborted) {
    try {
      const list = await client.must<List<Item>>("GET", path);
      const listed = new Set(list.items.map(({ metadata }) => metadata.uid));
      for (const [uid, object] of [...known]) {
        if (listed.has(uid)) continue;
        known.delete(uid);
        onChange(object, true);
      }
      for (const object of list.items) {
        known.set(object.metadata.uid, object);
        onChange(object, false);
      }
      const query = `${separator}watch=1&timeoutSeconds=300&resourceVersion=${list.metadata.resourceVersion}`;
      await client.watch<Item>(
        path + query,
        ({ type, object }) => {
          if (type !== "ADDED" && type !== "MODIFIED" && type !== "DELETED") return;
          if (type === "DELETED") known.delete(object.metadata.uid);
          else known.set(object.metadata.uid, object);
          onChange(object, type === "DELETED");
        },
        signal,
      );
    } catch {
      // The server is away or tired of us; what is known holds until it can be asked again.
    }
    await sleep(AGAIN_MS, undefined, { signal, ref: false }).catch(() => undefined);
  }
}
