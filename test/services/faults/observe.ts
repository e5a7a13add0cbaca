import * as assert from "uvu/assert";
import type { WireJob } from "../../../bridge/schema/jobs.ts";
import { type Caller, until } from "../../journeys/caller.ts";
import type { NodeRig } from "../../journeys/node_rig.ts";
import type { FaultCase } from "./cases.ts";
import { atFirst, type Outcome, Questions, RESIDENT, SEED, STORED, textOf, told } from "./questions.ts";
import type { Servers } from "./servers.ts";
import { type Actors, actorOf, isWell, readActors, troubles } from "./status.ts";

/** What callers and operators saw of one fault, as the table says it. */
export interface Observation extends Left {
  /** Requests that need the service, until its breaker has opened. */
  readonly first: string;
  readonly breaker: string;
  readonly others: string;
  readonly lost: string;
  /** Longest answer, in ms. */
  readonly slowestMs: number;
  /** From the end of the fault to the end of its traces, in ms. */
  readonly backMs: number;
}

/** What callers get once the breaker has opened. */
interface Left {
  readonly search: string;
  readonly inMemory: string;
  readonly read: string;
  readonly write: string;
}

interface Round {
  readonly search: Outcome;
  readonly inMemory: Outcome;
  readonly read: Outcome;
}

/** A fault that opens no breaker within this has opened none. */
const WATCH_MS = 4_000;
/** Rounds that show what is left. */
const ROUNDS = 6;
/** Requests that are under way when a fault begins in mid-call, and how long their answers are held up for that. */
const UNDER_WAY = 6;
const HELD_UP_MS = 400;
/** More calls than a breaker needs to judge, by default. */
const MANY = 24;
const NOTHING_LEFT: Left = { search: "–", inMemory: "–", read: "–", write: "–" };

/** Two collections, one searched in its store and one in memory. */
export async function prepare({ caller }: NodeRig): Promise<void> {
  await until("every service is reached", async () => [...(await readActors(caller)).values()].every(isWell));
  await until("the collections are known", () => areCollectionsKnown(caller));
  await caller.makeCollection(STORED, { resident: "never" });
  await caller.makeCollection(RESIDENT, { resident: "always" });
  for (const collection of [STORED, RESIDENT]) await caller.addDocuments(collection, [{ id: SEED, text: textOf(SEED) }]);
}

async function areCollectionsKnown(caller: Caller): Promise<boolean> {
  return (await caller.send("GET", "/v1/collections")).status === 200;
}

/** One fault, from a healthy node to a healthy node. */
export class Observer {
  readonly #case: FaultCase;
  readonly #servers: Servers;
  readonly #rig: NodeRig;
  readonly #questions: Questions;
  readonly #troubles = new Set<string>();
  #before: Actors = new Map();
  #hasOpened = false;

  constructor(faultCase: FaultCase, servers: Servers, rig: NodeRig) {
    this.#case = faultCase;
    this.#servers = servers;
    this.#rig = rig;
    this.#questions = new Questions(rig.caller, `${faultCase.service} ${faultCase.fault}`);
  }

  /** @param id starts the ids of the documents that are written for it */
  async observe(id: string): Promise<Observation> {
    await this.#whenWell();
    this.#before = await readActors(this.#rig.caller);
    const jobs = new Map<string, WireJob>();
    await this.#write(`${id}-before`, jobs);
    for (const job of jobs.values()) await this.#rig.caller.jobEnded(job);
    let first = "";
    let left = NOTHING_LEFT;
    try {
      const endsMs = performance.now() + (this.#case.lastsMs ?? 0);
      first = await this.#begin();
      const isShort = this.#case.lastsMs !== undefined && this.#case.lastsMs < WATCH_MS;
      if (!isShort) left = await this.#whatIsLeft(`${id}-during`, jobs);
      while (performance.now() < endsMs) await this.#round();
    } finally {
      await this.#case.end(this.#servers);
    }
    const endedMs = performance.now();
    await this.#whenWell();
    const backMs = performance.now() - endedMs;
    const lost: string[] = [];
    for (const [document, job] of jobs) {
      const { status } = await this.#rig.caller.jobEnded(job);
      if (status !== "completed" || !(await this.#questions.finds(document))) lost.push(document);
    }
    this.#note(await readActors(this.#rig.caller));
    return {
      first,
      ...left,
      breaker: this.#hasOpened ? "opened, closed by itself" : "stayed closed",
      others: [...this.#troubles].sort().join(", ") || "nothing",
      lost: lost.join(", ") || "nothing",
      slowestMs: this.#questions.slowestMs,
      backMs,
    };
  }

  /** Until its breaker has opened, or has not for long. Resolves with what requests met that need the service. */
  async #begin(): Promise<string> {
    const { begins, lastsMs } = this.#case;
    if (begins === "start") return this.#beginBeforeStart();
    const met: Outcome[] = [];
    if (begins === "call") met.push(...(await this.#beginInMidCall()));
    else await this.#case.begin(this.#servers);
    const watchMs = Math.min(lastsMs ?? WATCH_MS, WATCH_MS);
    // A short outage is over before a breaker could judge calls that follow one another.
    const together = watchMs < WATCH_MS ? UNDER_WAY : 1;
    const watchedUntilMs = performance.now() + watchMs;
    while (!this.#hasOpened && performance.now() < watchedUntilMs) {
      met.push(...(await Promise.all(Array.from({ length: together }, () => this.#needing()))));
      this.#note(await readActors(this.#rig.caller));
    }
    return atFirst(met);
  }

  async #beginBeforeStart(): Promise<string> {
    await this.#rig.restart(async () => void (await this.#case.begin(this.#servers)));
    this.#questions.caller = this.#rig.caller;
    await until("the others have started, and it is known to be away", async () => {
      this.#before = await readActors(this.#rig.caller);
      const isKnown = actorOf(this.#before, this.#case.service).breaker !== "closed";
      const canBeAsked = this.#case.service === "mongodb" || (await areCollectionsKnown(this.#rig.caller));
      return isKnown && canBeAsked && troubles(this.#before, this.#before, this.#case.service).length === 0;
    });
    this.#note(this.#before);
    return "the node starts";
  }

  async #beginInMidCall(): Promise<readonly Outcome[]> {
    const { proxy } = this.#servers[this.#case.service];
    await proxy.set({ kind: "delay", ms: HELD_UP_MS });
    const sentBefore = proxy.bytesSent;
    const underWay = Array.from({ length: UNDER_WAY }, () => this.#needing());
    await until("calls are under way", async () => proxy.bytesSent > sentBefore);
    await this.#case.begin(this.#servers);
    const met = await Promise.all(underWay);
    this.#note(await readActors(this.#rig.caller));
    return met;
  }

  async #whatIsLeft(id: string, jobs: Map<string, WireJob>): Promise<Left> {
    if (this.#hasOpened && ["milvus", "provider"].includes(this.#case.service)) {
      await until("the mode has followed", async () => (await this.#questions.search(STORED)).word !== "full");
    }
    const rounds: Round[] = [];
    for (let round = 0; round < ROUNDS; round++) rounds.push(await this.#round());
    const written = [await this.#write(id, jobs)];
    // So many refusals in a row would open the breaker of whoever is to blame for them.
    if (written[0]?.status === 503) written.push(...(await Promise.all(Array.from({ length: MANY }, () => this.#write(id, jobs)))));
    return {
      search: told(rounds.map(({ search }) => search)),
      inMemory: told(rounds.map(({ inMemory }) => inMemory)),
      read: told(rounds.map(({ read }) => read)),
      write: told(written),
    };
  }

  /** A request that needs the service: answers that came before the fault was felt say nothing. */
  #needing(): Promise<Outcome> {
    return this.#case.service === "mongodb" ? this.#questions.read() : this.#questions.search(STORED);
  }

  async #round(): Promise<Round> {
    const [search, inMemory, read] = await Promise.all([
      this.#questions.search(STORED, { strategy: "parent_document" }),
      this.#questions.search(RESIDENT),
      this.#questions.read(),
    ]);
    this.#note(await readActors(this.#rig.caller));
    if (search.without.length > 0) {
      const strict = await this.#questions.search(STORED, { strategy: "parent_document", allow_degraded: false });
      assert.equal([strict.status, strict.word], [503, "degraded"]);
    }
    return { search, inMemory, read };
  }

  async #write(id: string, jobs: Map<string, WireJob>): Promise<Outcome> {
    const { outcome, job } = await this.#questions.write(id);
    if (job !== null) jobs.set(id, job);
    return outcome;
  }

  #note(actors: Actors): void {
    if (actorOf(actors, this.#case.service).breaker !== "closed") this.#hasOpened = true;
    for (const trouble of troubles(actors, this.#before, this.#case.service)) this.#troubles.add(trouble);
  }

  async #whenWell(): Promise<void> {
    await until("the node is well", async () => {
      const actors = await readActors(this.#rig.caller);
      if (![...actors.values()].every(isWell) || !(await areCollectionsKnown(this.#rig.caller))) return false;
      const stored = await this.#rig.caller.search(STORED, { query: `water ${performance.now()}`, strategy: "parent_document" });
      const resident = await this.#rig.caller.search(RESIDENT, { query: `water ${performance.now()}` });
      const isFull = [stored, resident].every(({ mode, degradations }) => mode === "full" && degradations.length === 0);
      return isFull && resident.freshness.index === "resident";
    });
  }
}
