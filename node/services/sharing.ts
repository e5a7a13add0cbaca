import type { RegistryParts } from "../../actors/retriever/registry/options.ts";
import type { HedgeBudget } from "../../runtime/hedge.ts";
import { Bulkhead } from "../../supervisor/bulkhead.ts";
import type { ServiceParts } from "./parts.ts";

/** Time after which a call counts half in what is learned of a store's usual times. */
const HEDGE_HALF_LIFE_MS = 15_000;

/** What stands before a resource that a node has once: as many places as it takes calls, shared by collections. */
export function makeBulkhead({ config, clock }: ServiceParts, resource: string, places: number): Bulkhead {
  return new Bulkhead(resource, { places, ...config.bulkhead, maxHoldMs: config.vectorStore.callTimeoutMs, clock });
}

/** Second attempts of what is asked of other processes: an embedded store's would wait for the same cores as the first. */
export function hedging({ config, clock }: ServiceParts, budget: HedgeBudget, isVectorStoreRemote: boolean): RegistryParts["hedging"] {
  const { maxShare, minDelayMs } = config.hedging;
  const options = maxShare === 0 ? null : { clock, budget, minDelayMs, halfLifeMs: HEDGE_HALF_LIFE_MS };
  return { searches: isVectorStoreRemote ? options : null, parents: config.mongodb.url === "" ? null : options };
}
