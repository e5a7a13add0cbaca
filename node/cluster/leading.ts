import type { Catalog } from "../../actors/document_store/catalog.ts";
import { worstMode } from "../../cluster/configuration/mode_of_all.ts";
import { DEMAND_LIMITS, Demands, workOf } from "../../cluster/placement/demand.ts";
import { Leveller } from "../../cluster/placement/leveller.ts";
import type { Flags } from "../../config/flags.ts";
import type { Clock, Timer } from "../../runtime/clock.ts";
import { namesOf } from "./catalog_sync.ts";
import type { SearchCluster } from "./clustered_transport.ts";

/** How often a leader looks whether nodes or collections have changed. */
const LOOK_MS = 2_000;
/** Looks after which it says the same again, for those who have missed it. */
const REPEAT_EVERY = 5;
const MAX_REPLICAS = 64;
const NO_GROWTH: ReadonlyMap<string, number> = new Map();

/** What the leader does beside being one: it gives busy collections more places, keeps all places level, and tells the others. */
export class Leading {
  readonly #cluster: SearchCluster;
  readonly #catalog: Catalog;
  readonly #clock: Clock;
  readonly #capacity: number;
  readonly #flags: Pick<Flags, "replicaGrowth">;
  #leveller: Leveller | null = null;
  #demands: Demands | null = null;
  /** What was levelled last. */
  #levelled = "";
  #looks = 0;
  #timer: Timer | null = null;

  constructor(cluster: SearchCluster, catalog: Catalog, clock: Clock, capacity: number, flags: Pick<Flags, "replicaGrowth">) {
    this.#flags = flags;
    this.#capacity = capacity;
    this.#cluster = cluster;
    this.#catalog = catalog;
    this.#clock = clock;
    this.#schedule();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #schedule(): void {
    this.#timer = this.#clock.setTimer(LOOK_MS, () => {
      this.#look();
      this.#schedule();
    });
  }

  #look(): void {
    const cluster = this.#cluster;
    // Before it is known which collections there are, nothing can be said of their places: the last word holds.
    if (cluster.leadsIn === null || !this.#catalog.isLoaded) {
      this.#leveller = null; // whoever leads next keeps its own
      this.#demands = null;
      this.#levelled = "";
      return;
    }
    const nodes = cluster.membership.placeable();
    const leastOf = (collection: string) => Math.min(MAX_REPLICAS, this.#catalog.resolve(collection)?.record.settings.replicas ?? 1);
    if (!this.#flags.replicaGrowth) this.#demands = null;
    const replicas = this.#flags.replicaGrowth ? this.#demand(nodes.length, leastOf) : NO_GROWTH;
    const mode = worstMode([...cluster.membership.all()].flatMap(({ state, beat }) => (state === "alive" ? [beat.mode] : [])));
    const now = JSON.stringify([cluster.membership.placementVersion, this.#catalog.size, [...replicas], mode]);
    if (now === this.#levelled && ++this.#looks % REPEAT_EVERY !== 0) return;
    this.#levelled = now;
    this.#leveller ??= new Leveller(MAX_REPLICAS);
    const replicasOf = (collection: string) => Math.max(leastOf(collection), replicas.get(collection) ?? 1);
    const names = new Set(namesOf(this.#catalog));
    cluster.tell({ mode, replicas, exceptions: this.#leveller.level(names, nodes, replicasOf, cluster.placement.exceptions) });
  }

  #demand(nodes: number, leastOf: (collection: string) => number): ReadonlyMap<string, number> {
    if (this.#demands === null) {
      this.#demands = new Demands(DEMAND_LIMITS);
      this.#demands.take(this.#cluster.control.replicas);
    }
    const most = Math.min(MAX_REPLICAS, Math.max(1, nodes));
    const nowMs = this.#clock.monotonicMs();
    return this.#demands.step(workOf(this.#cluster.membership.all()), { capacity: this.#capacity, most, leastOf }, nowMs);
  }
}
