/**
 * Kennel as the chart's production overlay runs it: real controllers and a real scheduler give pods to process kubelets, the pods are real nodes on a real
 * NATS with stores that they share, asked through their Service by callers with a key.
 */
import { mkdirSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type KubernetesObject, renderChart } from "../../../tooling/manifests.ts";
import { type KubernetesServer, startKubernetes } from "../../../tooling/servers/kubernetes.ts";
import type { KubernetesClient } from "../../../tooling/servers/kubernetes_client.ts";
import { startControllers } from "../../../tooling/servers/kubernetes_controllers.ts";
import { runKennel } from "../../support/command_process.ts";
import type { Image } from "../../support/kubernetes/container_process.ts";
import { Kubelet } from "../../support/kubernetes/kubelet.ts";
import { isReady, type List, type Pod } from "../../support/kubernetes/objects.ts";
import { PodMetrics } from "../../support/kubernetes/pod_metrics.ts";
import { PodNetwork } from "../../support/kubernetes/pod_network.ts";
import { ServiceEndpoints } from "../../support/kubernetes/service_endpoints.ts";
import { controllerPrograms, helmPath, kubernetesPrograms } from "../../support/services.ts";
import { Nodes, type SharedServers, startSharedServers } from "../cluster/cluster_rig.ts";

export const NAMESPACE = "kennel";
export const COLLECTION = "docs";
/** Collections that one node holds, so that the others send their queries there. */
export const SINGLES = ["first", "second", "third", "fourth", "fifth", "sixth"];
export const PORT = 7400;
/** As the chart's version has it. */
export const CURRENT_IMAGE = "kennel:0.1.0";
const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const MACHINES = 3;
const DOCUMENTS = 30;
/** Kubernetes' own 50 s and 300 s, shortened; heartbeats come every 2 s. */
const NODE_GRACE_SECONDS = 12;
const TOLERATION_SECONDS = 2;
const AUTOSCALER_SYNC_SECONDS = 2;
const WAIT_MS = 240_000;
const POLL_MS = 100;
/** Of this process's end: each server is killed with it. */
const MAX_LISTENERS = 20;
const RENDER_LIMIT_MS = 120_000;

interface DeploymentStatus {
  readonly metadata: { readonly generation: number };
  readonly spec: { readonly replicas: number };
  readonly status: {
    readonly observedGeneration?: number;
    readonly replicas?: number;
    readonly updatedReplicas?: number;
    readonly availableReplicas?: number;
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly reason: string }[];
  };
}

/** A tree of Kennel's sources as what an image holds, started as the image starts it. */
export function imageOf(folder: string, env: Readonly<Record<string, string>> = {}): Image {
  const command =
    "deno" in process.versions
      ? ["sh", join(folder, "image/entrypoint.sh"), "serve"]
      : [process.execPath, "--disable-warning=ExperimentalWarning", join(folder, "main.ts"), "serve"];
  return { folder, command, env: { KENNEL_LOAD_DOCUMENTATION: "false", ...env } };
}

export async function until(what: string, isSo: () => Promise<boolean>, limitMs = WAIT_MS): Promise<void> {
  const limit = AbortSignal.timeout(limitMs);
  while (!(await isSo())) {
    if (limit.aborted) throw new Error(`Waited ${limitMs} ms in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

export class KennelDeployment {
  readonly network = new PodNetwork();
  /** What the names of images stand for; more may be added. */
  readonly images = new Map<string, Image>([[CURRENT_IMAGE, imageOf(ROOT)]]);
  readonly folder: string;
  readonly #machines = new Map<number, Kubelet>();
  /** Images of all pods that there have been, by address. */
  readonly #pods = new Map<string, string>();
  readonly #watching = new AbortController();
  readonly #endings: (() => Promise<unknown>)[] = [];
  #servers: SharedServers | null = null;
  #server: KubernetesServer | null = null;
  #endpoints: ServiceEndpoints | null = null;
  #key = "";
  #adminKey = "";

  private constructor(folder: string) {
    this.folder = folder;
  }

  /**
   * Servers, controllers and machines run, the stores are filled; nothing is deployed yet.
   * @param tree of the version that fills the stores. @default this one
   */
  static async start(tree = ROOT): Promise<KennelDeployment> {
    const deployment = new KennelDeployment(await mkdtemp(join(tmpdir(), "kennel-deployment-")));
    try {
      await deployment.#start(tree);
      return deployment;
    } catch (thrown) {
      await deployment.stop();
      throw thrown;
    }
  }

  get client(): KubernetesClient {
    if (this.#server === null) throw new Error("The API server does not run");
    return this.#server.client;
  }

  get endpoints(): ServiceEndpoints {
    if (this.#endpoints === null) throw new Error("Nothing runs");
    return this.#endpoints;
  }

  /** What callers send. */
  get key(): string {
    return this.#key;
  }

  /** What operators send. */
  get adminKey(): string {
    return this.#adminKey;
  }

  /** Of the NATS servers, `host:port`. */
  get natsAddresses(): readonly string[] {
    return this.#servers?.nats.map(({ address }) => address) ?? [];
  }

  async stop(): Promise<void> {
    this.#watching.abort();
    for (const end of this.#endings.reverse()) await end();
    await rm(this.folder, { recursive: true, force: true });
  }

  async #start(tree: string): Promise<void> {
    process.setMaxListeners(MAX_LISTENERS);
    const [servers] = await Promise.all([startSharedServers(), this.#startKubernetes()]);
    this.#servers = servers;
    this.#endings.push(() => servers.stop());
    await fill(servers, tree);
    const keys = join(this.folder, "keys.json");
    const create = async (name: string, scope: string) =>
      (await runKennel(["keys", "create", "--name", name, "--scope", scope, "--collections", "*"], { KENNEL_KEYS_FILE: keys })).out.trim();
    this.#key = await create("test", "read");
    this.#adminKey = await create("operator", "admin");
    await this.apply([
      {
        apiVersion: "v1",
        kind: "Namespace",
        metadata: { name: NAMESPACE, labels: { "pod-security.kubernetes.io/enforce": "restricted" } },
      },
    ]);
    const stringData = { "keys.json": await readFile(keys, "utf8") };
    await this.apply([{ apiVersion: "v1", kind: "Secret", metadata: { name: "kennel-keys" }, stringData }]);
    await this.#serveMetrics();
    const crash = async () => void (await Promise.all([...this.#machines.values()].map((machine) => machine.crash())));
    process.once("exit", crash); // its pods go with this process
    this.#endings.push(async () => {
      process.removeListener("exit", crash);
      await crash();
    });
    for (let number = 1; number <= MACHINES; number++) await this.startMachine(number);
    this.#endpoints = new ServiceEndpoints(this.client, this.network, NAMESPACE, "kennel", this.#watching.signal);
  }

  async #startKubernetes(): Promise<void> {
    const server = await startKubernetes(kubernetesPrograms(), this.folder, {
      hasControllers: true,
      tolerationSeconds: TOLERATION_SECONDS,
    });
    this.#server = server;
    this.#endings.push(() => server.stop());
    const options = { nodeGraceSeconds: NODE_GRACE_SECONDS, autoscalerSyncSeconds: AUTOSCALER_SYNC_SECONDS };
    const controllers = await startControllers(controllerPrograms(), server, this.folder, options);
    this.#endings.push(() => controllers.stop());
  }

  async #serveMetrics(): Promise<void> {
    const { certificate } = this.#server as KubernetesServer;
    const metrics = await PodMetrics.start({
      client: this.client,
      network: this.network,
      namespace: NAMESPACE,
      port: PORT,
      key: this.#key,
      certificate,
      certificateKey: certificate.replace(/\.crt$/, ".key"),
    });
    this.#endings.push(() => metrics.stop());
  }

  async startMachine(number: number): Promise<void> {
    const folder = join(this.folder, `machine-${number}`);
    mkdirSync(folder, { recursive: true });
    const { client, network, images } = this;
    const onPod = (address: string, image: string) => void this.#pods.set(address, image);
    this.#machines.set(number, await Kubelet.start({ client, network, number, folder, images, onPod }));
  }

  /** `kennel:0.1.0 at 127.0.1.1`, also of a pod that is gone. */
  nameOf(address: string): string {
    return `${this.#pods.get(address) ?? "no pod"} at ${address}`;
  }

  /** It loses power. */
  async crashMachine(number: number): Promise<void> {
    const machine = this.#machines.get(number);
    this.#machines.delete(number);
    await machine?.crash();
  }

  /** As `kill -9` inside the pod's container. */
  killContainer(pod: string): void {
    if (![...this.#machines.values()].some((machine) => machine.killContainer(pod))) throw new Error(`The pod ${pod} runs nowhere`);
  }

  async apply(objects: readonly KubernetesObject[], namespace = NAMESPACE): Promise<void> {
    for (const object of objects) {
      const { status, message } = await this.client.apply(object, namespace);
      if (status >= 300) throw new Error(`${object.kind} ${object.metadata.name}: ${message}`);
    }
  }

  /**
   * Applies the production overlay as helm renders it, with the addresses of the servers that run here.
   * @param set further values @param change what differs from what was rendered
   */
  async deploy(set: readonly string[] = [], change: (object: KubernetesObject) => KubernetesObject = (object) => object): Promise<void> {
    const { KENNEL_NATS_URL = "", ...settings } = this.#servers?.env ?? {};
    const addresses = Object.entries(settings).filter(([name]) => name.endsWith("_URL"));
    const values = [
      `natsUrl=${escaped(KENNEL_NATS_URL)}`,
      "settings.KENNEL_REDIS_URL=",
      ...addresses.map(([name, value]) => `settings.${name}=${escaped(value)}`),
      ...set,
    ];
    const rendered = await renderChart(helmPath(), { files: ["production"], set: values }, AbortSignal.timeout(RENDER_LIMIT_MS));
    await this.apply(rendered.map(change));
  }

  /** Pods of the Deployment, those that end too. */
  async pods(): Promise<readonly Pod[]> {
    const selector = encodeURIComponent("app.kubernetes.io/name=kennel");
    return (await this.client.must<List<Pod>>("GET", `/api/v1/namespaces/${NAMESPACE}/pods?labelSelector=${selector}`)).items;
  }

  async readyPods(): Promise<readonly Pod[]> {
    return (await this.pods()).filter((pod) => isReady(pod) && pod.metadata.deletionTimestamp === undefined);
  }

  deployment(): Promise<DeploymentStatus> {
    return this.client.must("GET", `/apis/apps/v1/namespaces/${NAMESPACE}/deployments/kennel`);
  }

  /** As `kubectl rollout status`, and those that were replaced have ended too. */
  async untilSettled(replicas: number): Promise<void> {
    await until(`${replicas} pods are available and no others there`, async () => {
      const { metadata, spec, status } = await this.deployment();
      if (spec.replicas !== replicas || status.observedGeneration !== metadata.generation) return false;
      const counts = [status.replicas, status.updatedReplicas, status.availableReplicas];
      return counts.every((count) => count === replicas) && (await this.pods()).length === replicas;
    });
  }

  /** The eviction API's status: 201, or 429 where the disruption budget forbids. */
  async evict(pod: string): Promise<number> {
    const eviction = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name: pod, namespace: NAMESPACE } };
    return (await this.client.call("POST", `/api/v1/namespaces/${NAMESPACE}/pods/${pod}/eviction`, eviction)).status;
  }

  async cordon(machine: string, isCordoned: boolean): Promise<void> {
    await this.client.patch("merge", `/api/v1/nodes/${machine}`, { spec: { unschedulable: isCordoned } });
  }
}

const escaped = (value: string) => value.replaceAll("\\", "\\\\").replaceAll(",", "\\,");

/** By a node that has the stores to itself. */
async function fill(servers: SharedServers, tree: string): Promise<void> {
  const nodes = new Nodes(servers.env, tree);
  try {
    await nodes.start("first");
    const documents = Array.from({ length: DOCUMENTS }, (_, at) => ({
      id: `d${at}`,
      text: `Number ${at} is about ${["birds", "cats"][at % 2]}`,
    }));
    for (const collection of [COLLECTION, ...SINGLES]) {
      await nodes.call("first", "PUT", `/v1/collections/${collection}`, { replicas: collection === COLLECTION ? 2 : 1 });
      const job = await nodes.call<{ readonly id: string }>("first", "POST", `/v1/collections/${collection}/documents`, { documents });
      await until("the documents are ingested", async () => {
        const { body } = await nodes.call<{ readonly status: string }>("first", "GET", `/v1/jobs/${job.body.id}`);
        return body.status === "completed";
      });
    }
  } finally {
    await nodes.stopAll();
  }
}
