import type { Query, SimNode } from "./sim_node.ts";
import type { World } from "./world.ts";

const MAX_VIOLATIONS = 20;
/** Checking at each step costs a look at each node. */
const MAX_LEADER_CHECKS = 16;

/** What must hold at every step of every history. */
export class Invariants {
  readonly #world: World;
  readonly #violations: string[] = [];
  /** Who has acted in an epoch. */
  readonly #leaders = new Map<number, string>();

  #exclusiveFromMs = 0;

  constructor(world: World) {
    this.#world = world;
  }

  get violations(): readonly string[] {
    return this.#violations;
  }

  get epochs(): number {
    return this.#leaders.size;
  }

  violated(what: string): void {
    if (this.#violations.length < MAX_VIOLATIONS) this.#violations.push(`${Math.round(this.#world.nowMs)} ms: ${what}`);
  }

  served(query: Query): void {
    if (query.hops > 1) this.violated(`query ${query.id} has made ${query.hops} hops`);
  }

  leads(epoch: number, node: string): void {
    const known = this.#leaders.get(epoch);
    if (known !== undefined && known !== node) this.violated(`${known} and ${node} lead in epoch ${epoch}`);
    this.#leaders.set(epoch, node);
  }

  told(epoch: number, node: SimNode): void {
    const leader = this.#leaders.get(epoch);
    if (leader !== node.name) this.violated(`${node.name} acts in epoch ${epoch}, which is ${leader ?? "nobody"}'s`);
  }

  /** The store of leases has forgotten who leads: a node that has heard of nobody may lead beside the one who does, in another epoch. */
  leaseLost(ttlMs: number): void {
    this.#exclusiveFromMs = this.#world.nowMs + ttlMs;
  }

  /** At no time do two lead, in whatever epoch. */
  checkLeaders(nodes: Iterable<SimNode>): void {
    if (this.#world.nowMs < this.#exclusiveFromMs) return;
    let leaders = 0;
    let checked = 0;
    for (const node of nodes) {
      if (++checked > MAX_LEADER_CHECKS) return;
      if (!node.process.isDead && node.cluster.leadsIn !== null) leaders += 1;
    }
    if (leaders > 1) this.violated(`${leaders} nodes lead at once`);
  }

  /** Once nothing is wrong any more all see the same: each other, one leader, the same places. */
  checkRest(nodes: readonly SimNode[], collections: readonly string[], meshNodes: number): void {
    const living = nodes.filter((node) => node.process.isRunning && !node.isLeft);
    this.#checkHeartbeats(living, meshNodes);
    for (const node of living) {
      for (const other of nodes) {
        const state = node.cluster.membership.find(other.name)?.state ?? "unknown";
        if (living.includes(other) !== (state === "alive")) this.violated(`at rest ${node.name} takes ${other.name} for ${state}`);
      }
    }
    const leaders = living.filter((node) => node.cluster.leadsIn !== null);
    if (leaders.length !== 1) this.violated(`at rest ${leaders.length} nodes lead`);
    const [first, ...others] = living;
    for (const other of others) {
      if (other.cluster.control.epoch !== first?.cluster.control.epoch) this.violated(`at rest ${other.name} follows another epoch`);
      const isSame = (name: string) => String(other.cluster.placement.ownersOf(name)) === String(first?.cluster.placement.ownersOf(name));
      const different = collections.find((name) => !isSame(name));
      if (different !== undefined) this.violated(`at rest ${other.name} places ${different} differently`);
    }
  }

  /** Where all hear digests, heartbeats belong to groups beyond `meshNodes`, and else to nobody; what is ready somewhere is known everywhere. */
  #checkHeartbeats(living: readonly SimNode[], meshNodes: number): void {
    const isGrouped = living.length > meshNodes && living.every((node) => node.hearsDigests);
    for (const node of living) {
      const { count } = node.cluster.groups;
      const isFree = living.every((each) => each.hearsDigests) && living.length <= meshNodes; // just below, who has come down stays
      if (isGrouped !== count > 0 && !isFree) this.violated(`at rest ${node.name} takes heartbeats to belong to ${count} groups`);
      for (const other of living) {
        if (other === node || !other.hearsDigests) continue;
        const known = node.cluster.membership.find(other.name)?.ready ?? new Set();
        if (String([...known].sort()) !== String([...other.ready].sort()))
          this.violated(`at rest ${node.name} does not know what is ready at ${other.name}`);
      }
    }
  }
}
