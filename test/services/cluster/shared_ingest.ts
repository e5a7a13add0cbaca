import { connectTo } from "../milvus/stores.ts";
import type { Nodes } from "./cluster_rig.ts";

/** How documents are sent to nodes that are killed meanwhile. */
export interface SharedIngestPlan {
  readonly documents: number;
  readonly perJob: number;
  readonly collections: number;
  /** Requests under way at once. */
  readonly clients: number;
  /** Whether a client sends its next documents when those before are indexed, so that it sends while nodes are killed. */
  readonly isInTurn: boolean;
  /** Between two kills; a killed node is started again at once. */
  readonly killEveryMs: number;
  /** Null: until the last job has ended. */
  readonly maxKills: number | null;
  /** For each wait that has an end. */
  readonly limitMs: number;
  readonly tell: (line: string) => void;
}

export interface SharedIngestReport {
  readonly documents: number;
  readonly jobs: number;
  readonly kills: number;
  /** Requests that were made again, because the node was gone or refused. */
  readonly repeated: number;
  readonly seconds: number;
  /** Jobs by how they ended. */
  readonly ended: Readonly<Record<string, number>>;
  /** Documents that the document store has, by their state. */
  readonly stored: Readonly<Record<string, number>>;
  /** Ids that were sent and are not in the document store. */
  readonly lost: number;
  /** Ids that it has twice, or that were never sent. */
  readonly surplus: number;
  /** Rows of the vector store, of which each document has one, and how many documents they are of. */
  readonly rows: { readonly all: number; readonly documents: number };
}

interface Batch {
  readonly collection: string;
  readonly documents: readonly { readonly id: string; readonly title: string; readonly text: string }[];
}

interface JobAnswer {
  readonly id: string;
  readonly status: string;
}

const PAGE = 500;
const ROWS = 1_000;
const AGAIN_MS = 200;
const LOOK_MS = 500;
const TOLD_JOBS = 10;

const wait = (durationMs: number) => new Promise<void>((resolve) => setTimeout(resolve, durationMs));

function collectionsOf(plan: SharedIngestPlan): readonly string[] {
  return Array.from({ length: plan.collections }, (_, at) => `shared${at}`);
}

/**
 * Sends all documents, kills nodes meanwhile, waits for every job's end and counts what is stored.
 * @param milvus `http://127.0.0.1:19530`, the nodes' vector store
 */
export async function ingestShared(nodes: Nodes, milvus: string, plan: SharedIngestPlan): Promise<SharedIngestReport> {
  const startedMs = performance.now();
  const anyNode = () => nodes.names[Math.floor(Math.random() * nodes.names.length)] as string; // one runs always
  for (const collection of collectionsOf(plan)) {
    await persist(plan, async () => refusalOf(await nodes.call(anyNode(), "PUT", `/v1/collections/${collection}`, { resident: "never" })));
  }
  const batches = batchesOf(plan);
  const jobs = new Set<string>();
  let repeated = 0;
  const send = async () => {
    for (let batch = batches.pop(); batch !== undefined; batch = batches.pop()) {
      const { collection, documents } = batch;
      let id = "";
      await persist(plan, async () => {
        repeated += 1;
        const answer = await nodes.call<JobAnswer>(anyNode(), "POST", `/v1/collections/${collection}/documents`, { documents });
        if (answer.status !== 202) return refusalOf(answer);
        repeated -= 1;
        jobs.add(answer.body.id);
        id = answer.body.id;
        if (jobs.size % TOLD_JOBS === 0) plan.tell(`${jobs.size} jobs are taken in, ${batches.length} are to be sent`);
        return null;
      });
      if (plan.isInTurn) await untilEnded(nodes, anyNode, new Set([id]), plan);
    }
  };
  const killing = killer(nodes, plan);
  try {
    await Promise.all(Array.from({ length: plan.clients }, send));
    plan.tell(`all ${plan.documents} documents are taken in, in ${jobs.size} jobs`);
    const ended = await untilEnded(nodes, anyNode, jobs, plan);
    const kills = await killing.end();
    const found = { ...(await storedDocuments(nodes, anyNode, plan)), rows: await storedRows(milvus, plan) };
    return { documents: plan.documents, jobs: jobs.size, kills, repeated, seconds: Math.round((performance.now() - startedMs) / 1_000), ended, ...found }; // biome-ignore format: one thought
  } finally {
    await killing.end();
  }
}

function batchesOf(plan: SharedIngestPlan): Batch[] {
  const names = collectionsOf(plan);
  const batches: Batch[] = [];
  for (let from = 0; from < plan.documents; from += plan.perJob) {
    const collection = names[batches.length % names.length] as string;
    const size = Math.min(plan.perJob, plan.documents - from);
    const documents = Array.from({ length: size }, (_, at) => {
      const number = from + at;
      return {
        id: `d${number}`,
        title: `Number ${number}`,
        text: `Document ${number} tells of ${["birds", "cats", "hounds"][number % 3]}.`,
      };
    });
    batches.push({ collection, documents });
  }
  return batches.reverse();
}

/**
 * Tries until it succeeds; what is thrown is a node that has gone.
 * @param attempt resolves with null, or with why it is to be made again
 */
async function persist(plan: SharedIngestPlan, attempt: () => Promise<string | null>): Promise<void> {
  let reason: string | null = null;
  for (const limitMs = performance.now() + plan.limitMs; performance.now() < limitMs; await wait(AGAIN_MS)) {
    reason = await attempt().catch((error: Error) => error.message);
    if (reason === null) return;
  }
  throw new Error(`A request was not answered within ${plan.limitMs} ms; the last time: ${reason}`);
}

function refusalOf({ status, body }: { readonly status: number; readonly body: unknown }): string | null {
  return status < 300 ? null : `${status} ${JSON.stringify(body)}`;
}

/** One node after another, each started again at once; one that runs alone is left until another one does. */
function killer(nodes: Nodes, plan: SharedIngestPlan): { end(): Promise<number> } {
  const stop = new AbortController();
  let kills = 0;
  const starting = new Map<string, Promise<void>>();
  const restart = (name: string) => {
    const started = nodes.start(name).finally(() => starting.delete(name));
    started.catch(() => {}); // `end` rejects
    starting.set(name, started);
  };
  const pause = () =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, plan.killEveryMs);
      const end = () => {
        clearTimeout(timer);
        resolve();
      };
      stop.signal.addEventListener("abort", end, { once: true });
    });
  const run = async () => {
    while (kills < (plan.maxKills ?? Number.POSITIVE_INFINITY)) {
      await pause();
      if (stop.signal.aborted) return;
      const [name, next] = nodes.names; // the one that has run longest
      if (name === undefined || next === undefined) continue;
      kills += 1;
      plan.tell(`node ${name} is killed`);
      await nodes.kill(name);
      restart(name);
    }
  };
  const running = run();
  running.catch(() => {}); // `end` rejects
  return {
    async end() {
      stop.abort();
      await running;
      await Promise.all(starting.values());
      return kills;
    },
  };
}

async function untilEnded(
  nodes: Nodes,
  anyNode: () => string,
  jobs: ReadonlySet<string>,
  plan: SharedIngestPlan,
): Promise<Readonly<Record<string, number>>> {
  const open = new Set(jobs);
  const ended: Record<string, number> = {};
  for (let limitMs = performance.now() + plan.limitMs; open.size > 0; await wait(LOOK_MS)) {
    const before = open.size;
    for (const id of [...open].slice(0, 16)) {
      const answer = await nodes.call<JobAnswer>(anyNode(), "GET", `/v1/jobs/${id}`).catch(() => null);
      if (answer?.status !== 200 || ["queued", "running"].includes(answer.body.status)) continue;
      open.delete(id);
      ended[answer.body.status] = (ended[answer.body.status] ?? 0) + 1;
    }
    if (open.size < before) {
      limitMs = performance.now() + plan.limitMs;
      if (jobs.size > 1) plan.tell(`${open.size} jobs are open`);
    }
    if (performance.now() > limitMs) throw new Error(`No job has ended for ${plan.limitMs} ms; ${open.size} are open, as ${[...open][0]}`);
  }
  return ended;
}

async function storedRows(milvus: string, plan: SharedIngestPlan): Promise<SharedIngestReport["rows"]> {
  const store = await connectTo(new URL(milvus).host);
  try {
    const ids: string[] = [];
    for (const collection of collectionsOf(plan)) {
      const pages = store.scan({ collection, version: 1 }, ROWS, new AbortController().signal);
      for await (const page of pages) for (const { documentId } of page) ids.push(documentId);
    }
    return { all: ids.length, documents: new Set(ids).size };
  } finally {
    await store.close();
  }
}

async function storedDocuments(
  nodes: Nodes,
  anyNode: () => string,
  plan: SharedIngestPlan,
): Promise<Pick<SharedIngestReport, "stored" | "lost" | "surplus">> {
  interface Listed {
    readonly data: readonly { readonly id: string; readonly state: string }[];
    readonly next: string | null;
  }
  const times = new Map<string, number>();
  const stored: Record<string, number> = {};
  for (const collection of collectionsOf(plan)) {
    let after = "";
    do {
      let page: Listed | null = null;
      const query = `limit=${PAGE}${after === "" ? "" : `&after=${encodeURIComponent(after)}`}`;
      await persist(plan, async () => {
        const answer = await nodes.call<Listed>(anyNode(), "GET", `/v1/collections/${collection}/documents?${query}`);
        page = answer.status === 200 ? answer.body : null;
        return refusalOf(answer);
      });
      const { data, next } = page as unknown as Listed;
      for (const { id, state } of data) {
        times.set(id, (times.get(id) ?? 0) + 1);
        stored[state] = (stored[state] ?? 0) + 1;
      }
      after = next ?? "";
    } while (after !== "");
  }
  const sent = Array.from({ length: plan.documents }, (_, number) => `d${number}`);
  const lost = sent.filter((id) => !times.has(id)).length;
  const total = [...times.values()].reduce((sum, count) => sum + count, 0);
  return { stored, lost, surplus: total - (sent.length - lost) };
}
