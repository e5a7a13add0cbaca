import { suite } from "uvu";
import * as assert from "uvu/assert";
import { superviseVectorStore } from "../../../actors/vector_store/supervised.ts";
import type { ChunkRow } from "../../../actors/vector_store/vector_store.ts";
import { kennelError } from "../../../runtime/errors.ts";
import type { CallOptions, Service } from "../../../supervisor/service.ts";
import { chunkRow } from "./chunk_rows.ts";
import { rejects, type Store } from "./vector_store_contract.ts";

const supervised = suite("supervised vector store");
const never = new AbortController().signal;
const index = { collection: "docs", version: 1 };
const timeouts = { searchMs: 1, writeMs: 2, optimizeMs: 3 };

/** Notes each call's time limit and runs it on a store of which only `methods` exist. */
function serviceOver(methods: Partial<Store>): { readonly service: Service<Store>; readonly limits: number[] } {
  const limits: number[] = [];
  const service = {
    name: "vector_store",
    isAvailable: true,
    breaker: "closed",
    refusal: null,
    whenReady: async () => {},
    stop: async () => {},
    call: async <Result>(work: (store: Store, signal: AbortSignal) => Promise<Result>, { timeoutMs, signal }: CallOptions) => {
      limits.push(timeoutMs);
      return work(methods as Store, signal);
    },
  } as const satisfies Service<Store>;
  return { service, limits };
}

supervised("Searches, writes and upkeep run in the service, each within its own time", async () => {
  const { service, limits } = serviceOver({ countRows: async () => 7, dropIndex: async () => {}, optimize: async () => {} });
  const store = superviseVectorStore(service, timeouts);
  assert.is(await store.countRows(index, never), 7);
  await store.dropIndex(index, never);
  await store.optimize(index, never);
  assert.equal(limits, [1, 2, 3]);
});

supervised("A scan asks the service for each page and lets go when its reader leaves early", async () => {
  let isOpen = false;
  async function* scan(): AsyncIterable<readonly ChunkRow[]> {
    isOpen = true;
    try {
      for (let page = 0; page < 5; page += 1) yield [chunkRow(`d${page}`, 0)];
    } finally {
      isOpen = false;
    }
  }
  const { service, limits } = serviceOver({ scan });
  const found: string[] = [];
  for await (const [row] of superviseVectorStore(service, timeouts).scan(index, 1, never)) {
    found.push(row?.id ?? "");
    if (found.length === 2) break;
  }
  assert.equal(found, ["d0#0", "d1#0"]);
  assert.equal(limits, [1, 1, 1]);
  assert.is(isOpen, false);
});

supervised("A suspended service's refusal reaches the caller as it is", async () => {
  const { service } = serviceOver({});
  const suspended = { ...service, call: () => Promise.reject(kennelError("unavailable", { retryAfterMs: 500 })) };
  const error = await rejects(superviseVectorStore(suspended, timeouts).probe(never), "unavailable");
  assert.is(error.retryAfterMs, 500);
});

supervised.run();
