import type { MilvusClient } from "@zilliz/milvus2-sdk-node";
import { cancellationOf } from "../../../runtime/cancellation.ts";
import type { Clock } from "../../../runtime/clock.ts";
import { kennelError } from "../../../runtime/errors.ts";
import { succeeded } from "./failures.ts";

const LOAD_POLL_MS = 100;
const LOAD_LIMIT_MS = 120_000;

/** Brings a collection into the server's memory, where it can be searched. Rejects with `unavailable` when that takes too long. */
export async function loadCollection(client: MilvusClient, name: string, clock: Clock, closing: AbortSignal): Promise<void> {
  // Not the client's own loadCollection, which sleeps 400 ms even where nothing is left to load.
  succeeded(await client.loadCollectionAsync({ collection_name: name }));
  const deadlineMs = clock.monotonicMs() + LOAD_LIMIT_MS;
  while (clock.monotonicMs() < deadlineMs) {
    if (await isLoaded(client, name)) return;
    if (closing.aborted) throw cancellationOf(closing);
    await clock.sleep(LOAD_POLL_MS, closing);
  }
  throw kennelError("unavailable", { message: `A collection did not load in Milvus within ${LOAD_LIMIT_MS} ms` });
}

export async function isLoaded(client: MilvusClient, name: string): Promise<boolean> {
  const { state } = succeeded(await client.getLoadState({ collection_name: name }));
  return String(state) === "LoadStateLoaded";
}
