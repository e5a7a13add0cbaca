import type { ChildSpec } from "../../supervisor/child.ts";

/** What befalls each search of a retriever: its handler throws, never ends, or takes its time. */
export type RetrieverFault = { readonly kind: "crash" } | { readonly kind: "hang" } | { readonly kind: "slow"; readonly delayMs: number };

/** Faults of single retrievers by collection, from within their handlers: nothing outside the actor is different. */
export class RetrieverFaults {
  readonly #faults = new Map<string, RetrieverFault>();
  /** Handlers that hang; they end with the fault. */
  readonly #hanging = new Map<string, PromiseWithResolvers<void>>();

  set(collection: string, fault: RetrieverFault | null): void {
    if (fault === null) this.#faults.delete(collection);
    else this.#faults.set(collection, fault);
    this.#hanging.get(collection)?.resolve();
    this.#hanging.delete(collection);
  }

  /** The node's `retrieverTap`. */
  readonly tap = <State, Message>(spec: ChildSpec<State, Message>): ChildSpec<State, Message> => {
    const collection = spec.name.split(".", 1)[0] ?? "";
    return {
      ...spec,
      behavior: () => {
        const inner = spec.behavior();
        return {
          start: (context) => inner.start(context),
          receive: async (state, message, context) => {
            if ((message as { readonly kind?: unknown }).kind === "search") await this.#suffer(collection);
            return inner.receive(state, message, context);
          },
          stop: (state) => inner.stop?.(state),
        };
      },
    };
  };

  async #suffer(collection: string): Promise<void> {
    const fault = this.#faults.get(collection);
    if (fault?.kind === "crash") throw new Error("the retriever was made to crash");
    if (fault?.kind === "slow") await new Promise((resolve) => setTimeout(resolve, fault.delayMs));
    if (fault?.kind !== "hang") return;
    const hanging = this.#hanging.get(collection) ?? Promise.withResolvers<void>();
    this.#hanging.set(collection, hanging);
    await hanging.promise;
  }
}
