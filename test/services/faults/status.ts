import type { StatusNode } from "../../../supervisor/child.ts";
import type { Caller } from "../../journeys/caller.ts";
import type { ServiceName } from "./cases.ts";

/** The actors of a service in the status tree, the one that is asked first. */
const ACTORS: Readonly<Record<ServiceName, readonly [string, ...string[]]>> = {
  milvus: ["vector_store"],
  mongodb: ["document_store"],
  redis: ["redis", "redis_answers"],
  provider: ["embedding"],
};

/** Every actor of a node by its name, the last part of its path. */
export type Actors = ReadonlyMap<string, StatusNode>;

export async function readActors(caller: Caller): Promise<Actors> {
  const { children } = await caller.must<{ readonly children: readonly StatusNode[] }>("GET", "/v1/status");
  const actors = new Map<string, StatusNode>();
  const walk = (nodes: readonly StatusNode[]) => {
    for (const node of nodes) {
      actors.set(node.path.split("/").at(-1) as string, node);
      walk(node.children);
    }
  };
  walk(children);
  return actors;
}

export function actorOf(actors: Actors, service: ServiceName): StatusNode {
  const found = actors.get(ACTORS[service][0]);
  if (found === undefined) throw new Error(`The status has no ${ACTORS[service][0]}`);
  return found;
}

export function isWell({ state, breaker }: StatusNode): boolean {
  return state === "ready" && breaker === "closed";
}

/** What stands out of actors other than the one at fault: away, started anew, or crashed since `before`. */
export function troubles(actors: Actors, before: Actors, atFault: ServiceName): readonly string[] {
  const found: string[] = [];
  for (const [name, actor] of actors) {
    if (ACTORS[atFault].includes(name)) continue;
    const { state, incarnation, restarts } = actor;
    if (!isWell(actor)) found.push(`${name} is ${state}`);
    if (incarnation !== (before.get(name)?.incarnation ?? incarnation)) found.push(`${name} was started anew`);
    if (restarts.count > 0) found.push(`${name} has crashed`);
  }
  return found;
}
