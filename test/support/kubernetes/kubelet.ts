import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { KubernetesClient } from "../../../tooling/servers/kubernetes_client.ts";
import type { Image } from "./container_process.ts";
import type { Pod } from "./objects.ts";
import type { PodNetwork } from "./pod_network.ts";
import { PodWorker } from "./pod_worker.ts";
import { pause } from "./probes.ts";
import { keepWatching } from "./watched.ts";

export interface KubeletOptions {
  readonly client: KubernetesClient;
  readonly network: PodNetwork;
  /** 1 to 254; the node is called `machine-1`. */
  readonly number: number;
  /** For its pods' volumes and what they write; it exists. */
  readonly folder: string;
  readonly images: ReadonlyMap<string, Image>;
  /** Told of each pod that it begins with: where it really listens, and its container's image. */
  readonly onPod: (address: string, image: string) => void;
}

const HEARTBEAT_MS = 2_000;
const LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
const MAX_PODS = 250;
const SECOND_MS = 1_000;
/** What the node says of itself; nothing holds processes to it. */
const RESOURCES = { cpu: "8", memory: "16Gi", pods: "110", "ephemeral-storage": "100Gi" };

/** One node: it registers itself, sends heartbeats, and runs the pods that the scheduler gives it as processes of this machine. */
export class Kubelet {
  readonly name: string;
  readonly #options: KubeletOptions;
  readonly #workers = new Map<string, { readonly worker: PodWorker; readonly name: string }>();
  readonly #life = new AbortController();
  #running: Promise<unknown> = Promise.resolve();
  #pods = 0;

  private constructor(options: KubeletOptions) {
    this.#options = options;
    this.name = `machine-${options.number}`;
  }

  static async start(options: KubeletOptions): Promise<Kubelet> {
    const kubelet = new Kubelet(options);
    await kubelet.#register();
    const path = `/api/v1/pods?fieldSelector=${encodeURIComponent(`spec.nodeName=${kubelet.name}`)}`;
    const watching = keepWatching<Pod>(options.client, path, (pod, isGone) => kubelet.#see(pod, isGone), kubelet.#life.signal);
    kubelet.#running = Promise.all([kubelet.#beat(), watching]);
    return kubelet;
  }

  /** @returns whether the pod runs here: its process was killed as by `kill -9` */
  killContainer(pod: string): boolean {
    const found = [...this.#workers.values()].find(({ name }) => name === pod);
    found?.worker.killContainer();
    return found !== undefined;
  }

  /** The machine loses power: its processes are killed at once and nobody hears of it. Resolves when they are gone. */
  async crash(): Promise<void> {
    this.#life.abort();
    for (const { worker } of this.#workers.values()) worker.crash();
    await Promise.all([this.#running, ...[...this.#workers.values()].map(({ worker }) => worker.ended)]);
  }

  async #register(): Promise<void> {
    const { client, network, number } = this.#options;
    const labels = {
      "kubernetes.io/hostname": this.name,
      "topology.kubernetes.io/zone": `zone-${number}`,
      "kubernetes.io/os": "linux",
    };
    const conditions = [{ type: "Ready", status: "True", reason: "KubeletReady", lastTransitionTime: new Date().toISOString() }];
    const addresses = [{ type: "InternalIP", address: network.reported(number, 254) }];
    const node = {
      apiVersion: "v1",
      kind: "Node",
      metadata: { name: this.name, labels },
      status: { capacity: RESOURCES, allocatable: RESOURCES, conditions, addresses },
    };
    const { status } = await client.call("POST", "/api/v1/nodes", node);
    if (status >= 300 && status !== 409) throw new Error(`The node ${this.name} was refused: ${status}`);
    // A node that comes back says so.
    await client.patch("strategic", `/api/v1/nodes/${this.name}/status`, {
      status: { conditions: conditions.map((condition) => ({ ...condition, lastHeartbeatTime: new Date().toISOString() })) },
    });
    const lease = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { name: this.name }, spec: this.#lease() };
    const made = await client.call("POST", LEASES, lease);
    if (made.status >= 300 && made.status !== 409) throw new Error(`The lease of ${this.name} was refused: ${made.status}`);
  }

  #lease(): object {
    return { holderIdentity: this.name, leaseDurationSeconds: 40, renewTime: new Date().toISOString().replace("Z", "000Z") };
  }

  async #beat(): Promise<void> {
    for (const { signal } = this.#life; !signal.aborted; await pause(HEARTBEAT_MS, signal)) {
      await this.#options.client.patch("merge", `${LEASES}/${this.name}`, { spec: this.#lease() }).catch(() => undefined);
    }
  }

  #see(pod: Pod, isGone: boolean): void {
    if (this.#life.signal.aborted) return;
    const { uid, deletionTimestamp, deletionGracePeriodSeconds = 0 } = pod.metadata;
    const known = this.#workers.get(uid);
    if (isGone)
      known?.worker.crash(); // by force: nobody waits for its end
    else if (known === undefined) this.#begin(pod);
    if (!isGone && deletionTimestamp !== undefined) this.#workers.get(uid)?.worker.terminate(deletionGracePeriodSeconds * SECOND_MS);
  }

  #begin(pod: Pod): void {
    const { client, network, number, images } = this.#options;
    this.#pods += 1;
    if (this.#pods > MAX_PODS) throw new Error(`${this.name} has had ${MAX_PODS} pods`);
    const { name, uid } = pod.metadata;
    const folder = join(this.#options.folder, `${name}-${uid.slice(0, 8)}`);
    mkdirSync(folder, { recursive: true });
    const reportedAddress = network.reported(number, this.#pods);
    this.#options.onPod(network.bound(reportedAddress), pod.spec.containers[0]?.image ?? "");
    const worker = new PodWorker(pod, { client, images, folder, reportedAddress, address: network.bound(reportedAddress) });
    this.#workers.set(uid, { worker, name });
    void worker.ended.then(() => this.#workers.delete(uid));
  }
}
