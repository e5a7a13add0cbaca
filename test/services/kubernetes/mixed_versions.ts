/** Pods of two versions beside each other, asked one by one: each answers, each sends queries on to the other, and what one writes the other reads. */
import { connect, headers } from "nats";
import { Caller } from "../../journeys/caller.ts";
import type { Pod } from "../../support/kubernetes/objects.ts";
import { COLLECTION, type KennelDeployment, NAMESPACE, PORT, SINGLES, until } from "./kennel_deployment.ts";

export interface MixedReport {
  readonly pods: Readonly<Record<string, number>>;
  /** Queries that pods of each image have sent to another node; an image whose status does not count them has none. */
  readonly forwarded: Readonly<Record<string, number>>;
  readonly overNats: number;
  /** Documents that pods of each image have taken and all pods have found. */
  readonly written: number;
}

interface Found {
  readonly mode: string;
  readonly degradations: readonly object[];
  readonly data: readonly { readonly document_id: string }[];
}

interface Status {
  readonly cluster: { readonly nodes: readonly { readonly state: string }[]; readonly queries: { readonly forwarded?: number } };
}

const HITS = 3;
/** More than a collection has documents. */
const ALL = 100;
const QUESTIONS = 4;
const NATS_QUESTIONS = 20;
const NATS_LIMIT_MS = 10_000;

const imageOfPod = ({ spec }: Pod) => spec.containers[0]?.image ?? "";

/** Updates as far as one pod of the new image that is ready beside those of the old one, does `work`, and goes on. */
export async function pausedUpdate(cluster: KennelDeployment, next: () => Promise<void>, work: () => Promise<void>): Promise<void> {
  const pause = (paused: boolean) =>
    cluster.client.patch("merge", `/apis/apps/v1/namespaces/${NAMESPACE}/deployments/kennel`, { spec: { paused } });
  const before = new Set((await cluster.readyPods()).map(({ metadata }) => metadata.uid));
  const count = before.size;
  await next();
  await until("a pod of the next version is made", async () => (await cluster.pods()).some(({ metadata }) => !before.has(metadata.uid)));
  await pause(true);
  await until("it is ready beside the others", async () => (await cluster.readyPods()).length === count + 1);
  await work();
  await pause(false);
}

/** Throws where one of them does not do what nodes of one version do. @param mark of this check: what it writes has it in its ids */
export async function checkMixed(cluster: KennelDeployment, mark: string): Promise<MixedReport> {
  const pods = await cluster.readyPods();
  const images = new Set(pods.map(imageOfPod));
  if (images.size !== 2) throw new Error(`Pods of ${[...images].join(", ")} are ready, not of two versions`);
  const members = pods.map((pod) => ({ image: imageOfPod(pod), node: new PodCaller(cluster, pod) }));
  for (const { node } of members) await until("they know each other", async () => (await livingPeers(node)) === pods.length);
  await Promise.all(members.map(({ node }) => askAll(node)));
  const ids = await Promise.all(members.map(({ node }, place) => write(node, `${mark}-${place}`)));
  for (const { node } of members) {
    for (const id of ids) await until(`${id} is found everywhere`, async () => (await node.search(COLLECTION, id, ALL)).includes(id));
  }
  const overNats = await askOverNats(cluster);
  const forwarded: Record<string, number> = {};
  for (const { image, node } of members) {
    const { queries } = (await node.must<Status>("GET", "/v1/status")).cluster;
    if (queries.forwarded !== undefined) forwarded[image] = (forwarded[image] ?? 0) + queries.forwarded;
  }
  for (const [image, count] of Object.entries(forwarded))
    if (count === 0) throw new Error(`Pods of ${image} have sent no query to another node`);
  return { pods: countOf(members.map(({ image }) => image)), forwarded, overNats, written: ids.length };
}

/** One pod itself, past the Service, with an operator's key. */
class PodCaller {
  readonly #caller: Caller;
  readonly #authorization: string;

  constructor(cluster: KennelDeployment, { status }: Pod) {
    this.#caller = new Caller(`http://${cluster.network.bound(status?.podIP ?? "")}:${PORT}`);
    this.#authorization = `Bearer ${cluster.adminKey}`;
  }

  must<Body>(method: string, path: string, body?: unknown): Promise<Body> {
    return this.#caller.must<Body>(method, path, body, { authorization: this.#authorization, connection: "close" });
  }

  /** Ids of the documents found. Throws where not every stage has run. */
  async search(collection: string, query: string, hits: number): Promise<readonly string[]> {
    const found = await this.must<Found>("POST", `/v1/collections/${collection}/search`, { query, top_k: hits });
    if (found.mode !== "full" || found.degradations.length > 0) throw new Error(`Answered degraded: ${JSON.stringify(found)}`);
    return found.data.map((hit) => hit.document_id);
  }
}

async function livingPeers(node: PodCaller): Promise<number> {
  const { cluster } = await node.must<Status>("GET", "/v1/status");
  return cluster.nodes.filter(({ state }) => state === "alive").length;
}

/** Collections that other nodes hold among them. */
async function askAll(node: PodCaller): Promise<void> {
  for (let question = 0; question < QUESTIONS; question++) {
    for (const collection of [COLLECTION, ...SINGLES]) {
      const hits = await node.search(collection, `birds and number ${question}`, HITS);
      if (hits.length !== HITS) throw new Error(`${collection} has ${hits.length} hits, not ${HITS}`);
    }
  }
}

/** Whichever node takes the job. @returns the document's id */
async function write(node: PodCaller, id: string): Promise<string> {
  const documents = [{ id, text: `What is called ${id} is about birds` }];
  const job = await node.must<{ readonly id: string }>("POST", `/v1/collections/${COLLECTION}/documents`, { documents });
  await until(`the job of ${id} has ended`, async () => {
    const { status } = await node.must<{ readonly status: string }>("GET", `/v1/jobs/${job.id}`);
    if (status === "failed" || status === "cancelled") throw new Error(`The job of ${id} is ${status}`);
    return status === "completed";
  });
  return id;
}

/** Through each server, since servers prefer the nodes that are connected to them. @returns how many were answered */
async function askOverNats(cluster: KennelDeployment): Promise<number> {
  const given = headers();
  given.set("Authorization", `Bearer ${cluster.key}`);
  let answered = 0;
  for (const address of cluster.natsAddresses) {
    const client = await connect({ servers: address });
    try {
      for (let question = 0; question < NATS_QUESTIONS; question++) {
        const body = JSON.stringify({ query: `cats and number ${question}`, top_k: HITS });
        const reply = await client.request(`kennel.v1.search.${COLLECTION}`, body, { timeout: NATS_LIMIT_MS, headers: given });
        const refusal = reply.headers?.get("Nats-Service-Error") ?? "";
        if (refusal !== "" || reply.json<Found>().data.length !== HITS) throw new Error(`Over NATS: ${refusal || "hits are missing"}`);
        answered += 1;
      }
    } finally {
      await client.close();
    }
  }
  return answered;
}

function countOf(words: readonly string[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
}
