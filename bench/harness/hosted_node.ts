import type { DocumentStore } from "../../actors/document_store/document_store.ts";
import { loadConfig } from "../../config/load.ts";
import { type KennelNode, startNode } from "../../node/node.ts";
import { systemClock } from "../../runtime/clock.ts";
import { kennelError } from "../../runtime/errors.ts";
import { systemRandom } from "../../runtime/random.ts";
import { type RetrieverFault, RetrieverFaults } from "./retriever_faults.ts";
import { serveCommands } from "./side_process.ts";

/**
 * A node in a process of its own, as `kennel serve` builds it, with a tap on its stores: they can be stopped, and what they
 * acknowledge is timed; and one on its retrievers, which can be made to fail. For what cannot be had or seen from outside; nothing else about the node is different.
 */
export type HostCommand =
  | { readonly kind: "start"; readonly folder: string; readonly environment: Readonly<Record<string, string>> }
  /** Every call of a store fails from now on, probes too: the document store's at once, the vector store's when its caller gives up. */
  | { readonly kind: "stop_stores" }
  | { readonly kind: "resume_stores" }
  /** The same for what ranks texts beside a Milvus that does not. */
  | { readonly kind: "stop_lexical" }
  | { readonly kind: "resume_lexical" }
  /** What befalls searches in the handler of a collection's retriever from now on; null: nothing any more. */
  | { readonly kind: "fault"; readonly collection: string; readonly fault: RetrieverFault | null }
  /** What was noted since the last time. */
  | { readonly kind: "notes" }
  | { readonly kind: "stop" };

export interface HostNotes {
  /** What befell actors, with wall times in ms. */
  readonly events: readonly { readonly atMs: number; readonly path: string; readonly event: string }[];
  /**
   * From the vector store's acknowledgement of a write to the next step of its job, which begins when searches see the
   * write; in ms.
   */
  readonly visibleAfterMs: readonly number[];
  /** Calls that the stopped stores have refused. */
  readonly refusedCalls: number;
}

const NEVER = new AbortController().signal;

class Tap {
  isLexicalStopped = false;
  #isStopped = false;
  #acknowledgedMs: number | null = null;
  #visibleAfterMs: number[] = [];
  #refusedCalls = 0;

  set isStopped(isStopped: boolean) {
    this.#isStopped = isStopped;
  }

  takeNotes(): Pick<HostNotes, "visibleAfterMs" | "refusedCalls"> {
    const notes = { visibleAfterMs: this.#visibleAfterMs, refusedCalls: this.#refusedCalls };
    this.#visibleAfterMs = [];
    this.#refusedCalls = 0;
    return notes;
  }

  vectors<Store extends object>(store: Store): Store {
    return this.#intercept(store, "when_given_up", (name, result) => {
      if (name !== "replaceDocuments") return result;
      return (result as Promise<void>).then(() => {
        this.#acknowledgedMs = performance.now();
      });
    });
  }

  lexical<Store extends object>(store: Store): Store {
    return this.#intercept(store, "at_once", (_name, result) => result, () => this.isLexicalStopped); // biome-ignore format: one call
  }

  documents(store: DocumentStore): DocumentStore {
    return this.#intercept(store, "at_once", (name, result) => {
      if (name === "markIndexed" && this.#acknowledgedMs !== null) {
        this.#visibleAfterMs.push(performance.now() - this.#acknowledgedMs);
        this.#acknowledgedMs = null;
      }
      return result;
    });
  }

  #intercept<Store extends object>(
    store: Store,
    refusal: "at_once" | "when_given_up",
    note: (name: string, result: unknown) => unknown,
    isStopped: () => boolean = () => this.#isStopped,
  ): Store {
    return new Proxy(store, {
      get: (target, name) => {
        const method: unknown = Reflect.get(target, name);
        if (typeof method !== "function" || typeof name !== "string") return method;
        return (...values: readonly unknown[]) => {
          if (!isStopped() || name === "close") return note(name, method.apply(target, values));
          this.#refusedCalls += 1;
          const signal = values.find((value) => value instanceof AbortSignal) ?? NEVER;
          const refused = refusal === "at_once" ? Promise.reject(stopped()) : refusedWhen(signal);
          return name === "scan" ? failingPages(refused) : refused;
        };
      },
    });
  }
}

const stopped = () => kennelError("unavailable", { message: "The store is stopped", retryAfterMs: 1_000 });

function refusedWhen(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) return reject(stopped());
    signal.addEventListener("abort", () => reject(stopped()), { once: true });
  });
}

async function* failingPages(refused: Promise<never>): AsyncGenerator<never> {
  yield await refused;
}

class Host {
  readonly #tap = new Tap();
  readonly #faults = new RetrieverFaults();
  #node: KennelNode | null = null;
  #events: HostNotes["events"][number][] = [];

  async handle(command: HostCommand): Promise<unknown> {
    switch (command.kind) {
      case "start":
        return this.#start(command.folder, command.environment);
      case "stop_stores":
        this.#tap.isStopped = true;
        return null;
      case "resume_stores":
        this.#tap.isStopped = false;
        return null;
      case "stop_lexical":
        this.#tap.isLexicalStopped = true;
        return null;
      case "resume_lexical":
        this.#tap.isLexicalStopped = false;
        return null;
      case "fault":
        this.#faults.set(command.collection, command.fault);
        return null;
      case "notes": {
        const events = this.#events;
        this.#events = [];
        return { events, ...this.#tap.takeNotes() } satisfies HostNotes;
      }
      case "stop":
        await this.#node?.stop("the benchmark has ended");
        this.#node = null;
        return null;
    }
  }

  /** @returns the port it listens on */
  async #start(folder: string, environment: Readonly<Record<string, string>>): Promise<number> {
    const config = loadConfig({
      environment: { KENNEL_PROFILE: "test", KENNEL_HTTP_PORT: "0", KENNEL_DATA_DIR: folder, ...environment },
      readFile: () => null,
      hostName: () => "bench",
      workingFolder: folder,
    });
    const taps = { clock: systemClock(), random: systemRandom(), tap: this.#tap, retrieverTap: this.#faults.tap };
    this.#node = await startNode(config, taps);
    this.#node.supervisor.events.subscribe(({ path, event }) => {
      this.#events.push({ atMs: performance.timeOrigin + performance.now(), path, event });
    });
    return Number(new URL(this.#node.url).port);
  }
}

if (import.meta.main) {
  const host = new Host();
  await serveCommands<HostCommand>((command) => host.handle(command));
}
