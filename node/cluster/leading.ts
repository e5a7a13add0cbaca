import type { Catalog } from "../../actors/document_store/catalog.ts";
import { worstMode } from "../../cluster/configuration/mode_of_all.ts";
import { DEMAND_LIMITS, Demands, workOf } from "../../cluster/placement/demand.ts";
import type { Exceptions } from "../../cluster/placement/level.ts";
import { type Levelled, Leveller } from "../../cluster/placement/leveller.ts";
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
/** Levelling works for so long at a time, and rests for as long: queries have their turn. */
const WORK_MS = 4;
const REST_MS = 4;

/** A levelling under way. */
interface Run {
  readonly epoch: number;
  readonly steps: Generator<void, Exceptions>;
}

/** What a look finds at once, without levelling. */
interface ToldByLook {
  /** The worst of all nodes. */
  readonly mode: string;
  /** Places of busy collections. */
  readonly replicas: ReadonlyMap<string, number>;
}

/** What of the cluster and its collections a leader has to do with. */
export type LedCluster = Pick<SearchCluster, "leadsIn" | "tell"> & {
  readonly membership: Pick<SearchCluster["membership"], "placeable" | "placementVersion" | "all">;
  readonly placement: Pick<SearchCluster["placement"], "exceptions">;
  readonly control: Pick<SearchCluster["control"], "mode" | "replicas">;
};
export type LedCatalog = Pick<Catalog, "isLoaded" | "size" | "list" | "resolve">;

/** What the leader does beside being one: it gives busy collections more places, keeps all places level, and tells the others. */
export class Leading {
  readonly #cluster: LedCluster;
  readonly #catalog: LedCatalog;
  readonly #clock: Clock;
  readonly #capacity: number;
  readonly #flags: Pick<Flags, "replicaGrowth">;
  #leveller: Leveller | null = null;
  #demands: Demands | null = null;
  #run: Run | null = null;
  /** As this leader has told it last, or is about to; null: what the one before it has told holds. */
  #told: ToldByLook | null = null;
  /** What was levelled last. */
  #levelled = "";
  #looks = 0;
  #timer: Timer | null = null;
  #rest: Timer | null = null;

  constructor(cluster: LedCluster, catalog: LedCatalog, clock: Clock, capacity: number, flags: Pick<Flags, "replicaGrowth">) {
    this.#flags = flags;
    this.#capacity = capacity;
    this.#cluster = cluster;
    this.#catalog = catalog;
    this.#clock = clock;
    this.#schedule();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#rest?.cancel();
  }

  #schedule(): void {
    this.#timer = this.#clock.setTimer(LOOK_MS, () => {
      this.#look();
      this.#schedule();
    });
  }

  #look(): void {
    const cluster = this.#cluster;
    const epoch = cluster.leadsIn;
    // Before it is known which collections there are, nothing can be said of their places: the last word holds.
    if (epoch === null || !this.#catalog.isLoaded) {
      this.#forget(); // whoever leads next keeps its own
      this.#demands = null;
      return;
    }
    const nodes = cluster.membership.placeable();
    const leastOf = (collection: string) => Math.min(MAX_REPLICAS, this.#catalog.resolve(collection)?.record.settings.replicas ?? 1);
    if (!this.#flags.replicaGrowth) this.#demands = null;
    const replicas = this.#flags.replicaGrowth ? this.#demand(nodes.length, leastOf) : NO_GROWTH;
    const mode = worstMode([...cluster.membership.all()].flatMap(({ state, beat }) => (state === "alive" ? [beat.mode] : [])));
    const before = this.#told ?? cluster.control;
    const isNews = mode !== before.mode || JSON.stringify([...replicas]) !== JSON.stringify([...before.replicas]);
    this.#told = { mode, replicas };
    if (this.#run === null) this.#begin(epoch, nodes, leastOf, this.#told);
    const isUnderWay = this.#run !== null;
    if (isUnderWay && isNews) this.#tell(cluster.placement.exceptions); // who is busy need not wait for it
  }

  #begin(epoch: number, nodes: Levelled["nodes"], leastOf: (collection: string) => number, { mode, replicas }: ToldByLook): void {
    const cluster = this.#cluster;
    const now = JSON.stringify([cluster.membership.placementVersion, this.#catalog.size, [...replicas], mode]);
    if (now === this.#levelled && ++this.#looks % REPEAT_EVERY !== 0) return;
    this.#levelled = now;
    this.#leveller ??= new Leveller();
    const replicasOf = (collection: string) => Math.max(leastOf(collection), replicas.get(collection) ?? 1);
    const previous = cluster.placement.exceptions;
    const steps = this.#leveller.steps({ collections: namesOf(this.#catalog), nodes, replicasOf, previous });
    this.#run = { epoch, steps };
    this.#work(this.#run);
  }

  #tell(exceptions: Exceptions): void {
    if (this.#told !== null) this.#cluster.tell({ ...this.#told, exceptions });
  }

  #work(run: Run): void {
    if (this.#cluster.leadsIn !== run.epoch || !this.#catalog.isLoaded) return void this.#forget();
    const untilMs = this.#clock.monotonicMs() + WORK_MS;
    do {
      const step = run.steps.next();
      if (step.done === true) {
        this.#run = null;
        this.#tell(step.value);
        return;
      }
    } while (this.#clock.monotonicMs() < untilMs);
    this.#rest = this.#clock.setTimer(REST_MS, () => this.#work(run));
  }

  /** A levelling that is left half done leaves a leveller that is of no use. */
  #forget(): void {
    this.#rest?.cancel();
    this.#run = null;
    this.#leveller = null;
    this.#levelled = "";
    this.#told = null;
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
