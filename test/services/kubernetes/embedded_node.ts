import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { renderChart } from "../../../tooling/manifests.ts";
import { Caller } from "../../journeys/caller.ts";
import { runKennel } from "../../support/command_process.ts";
import { isReady, type Pod } from "../../support/kubernetes/objects.ts";
import { helmPath } from "../../support/services.ts";
import { type KennelDeployment, PORT, until } from "./kennel_deployment.ts";

const RENDER_LIMIT_MS = 120_000;

/** The chart's embedded overlay beside the other: a StatefulSet of one node, whose stores and keys lie on a volume that is this machine's folder. */
export class EmbeddedNode {
  readonly #cluster: KennelDeployment;
  readonly #namespace: string;
  readonly #folder: string;
  readonly #pod: string;
  #key = "";

  private constructor(cluster: KennelDeployment, namespace: string) {
    this.#cluster = cluster;
    this.#namespace = namespace;
    this.#folder = join(cluster.folder, namespace);
    this.#pod = `/api/v1/namespaces/${namespace}/pods/kennel-0`;
  }

  /** Deployed and ready, with a key in the file on its volume. @param namespace of its own @param set further values of the chart */
  static async start(cluster: KennelDeployment, namespace: string, set: readonly string[] = []): Promise<EmbeddedNode> {
    const node = new EmbeddedNode(cluster, namespace);
    await node.#provideVolume();
    await node.deploy(set);
    await node.untilReady(null);
    return node;
  }

  async deploy(set: readonly string[] = []): Promise<void> {
    const rendered = await renderChart(helmPath(), { files: ["embedded"], set }, AbortSignal.timeout(RENDER_LIMIT_MS));
    await this.#cluster.apply(rendered, this.#namespace);
  }

  /** @returns the uid of the pod, another one than before @param before that of the pod that is to be gone */
  async untilReady(before: string | null): Promise<string> {
    let uid = "";
    await until("the node is ready", async () => {
      const answer = await this.#cluster.client.call("GET", this.#pod);
      if (answer.status !== 200) return false;
      const pod = JSON.parse(answer.body) as Pod;
      uid = pod.metadata.uid;
      return uid !== before && isReady(pod);
    });
    return uid;
  }

  /** Its volume's folder stays. */
  async remove(): Promise<void> {
    await this.#cluster.client.must("DELETE", `/apis/apps/v1/namespaces/${this.#namespace}/statefulsets/kennel`);
    await until("the node is gone", async () => (await this.#cluster.client.call("GET", this.#pod)).status === 404);
  }

  async deletePod(): Promise<void> {
    await this.#cluster.client.must("DELETE", this.#pod);
  }

  /** Documents, until they can be found. */
  async add(collection: string, documents: readonly object[]): Promise<void> {
    const job = await this.must<{ readonly id: string }>("POST", `/v1/collections/${collection}/documents`, { documents });
    const statusOf = async () => (await this.must<{ readonly status: string }>("GET", `/v1/jobs/${job.id}`)).status;
    await until("the documents are ingested", async () => (await statusOf()) === "completed");
  }

  /** Asks the node as it is now, with the key. */
  async must<Body>(method: string, path: string, body?: unknown): Promise<Body> {
    const { status } = await this.#cluster.client.must<Pod>("GET", this.#pod);
    const url = `http://${this.#cluster.network.bound(status?.podIP ?? "")}:${PORT}`;
    return new Caller(url).must<Body>(method, path, body, { authorization: `Bearer ${this.#key}`, connection: "close" });
  }

  async #provideVolume(): Promise<void> {
    mkdirSync(this.#folder, { recursive: true });
    const created = await runKennel(["keys", "create", "--name", "test", "--scope", "write", "--collections", "*"], {
      KENNEL_DATA_DIR: this.#folder,
    });
    this.#key = created.out.trim();
    await this.#cluster.apply(
      [
        {
          apiVersion: "v1",
          kind: "Namespace",
          metadata: { name: this.#namespace, labels: { "pod-security.kubernetes.io/enforce": "restricted" } },
        },
        {
          apiVersion: "v1",
          kind: "PersistentVolume",
          metadata: { name: `folder-${this.#namespace}` },
          spec: { capacity: { storage: "10Gi" }, accessModes: ["ReadWriteOnce"], hostPath: { path: this.#folder } },
        },
      ],
      this.#namespace,
    );
  }
}
