import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { renderChart } from "../../../tooling/manifests.ts";
import { Caller } from "../../journeys/caller.ts";
import { runKennel } from "../../support/command_process.ts";
import { isReady, type Pod } from "../../support/kubernetes/objects.ts";
import { helmPath } from "../../support/services.ts";
import { type KennelDeployment, PORT, until } from "./kennel_deployment.ts";

const NAMESPACE = "alone";
const POD = `/api/v1/namespaces/${NAMESPACE}/pods/kennel-0`;
const RENDER_LIMIT_MS = 120_000;

/** The chart's embedded overlay beside the other: a StatefulSet of one node, whose stores and keys lie on a volume that is this machine's folder. */
export class EmbeddedNode {
  readonly #cluster: KennelDeployment;
  readonly #folder: string;
  #key = "";

  private constructor(cluster: KennelDeployment) {
    this.#cluster = cluster;
    this.#folder = join(cluster.folder, "volume");
  }

  /** Deployed and ready, with a key in the file on its volume. */
  static async start(cluster: KennelDeployment): Promise<EmbeddedNode> {
    const node = new EmbeddedNode(cluster);
    await node.#provideVolume();
    await node.deploy();
    await node.untilReady(null);
    return node;
  }

  async deploy(set: readonly string[] = []): Promise<void> {
    const rendered = await renderChart(helmPath(), { files: ["embedded"], set }, AbortSignal.timeout(RENDER_LIMIT_MS));
    await this.#cluster.apply(rendered, NAMESPACE);
  }

  /** @returns the uid of the pod, another one than before @param before that of the pod that is to be gone */
  async untilReady(before: string | null): Promise<string> {
    let uid = "";
    await until("the node is ready", async () => {
      const answer = await this.#cluster.client.call("GET", POD);
      if (answer.status !== 200) return false;
      const pod = JSON.parse(answer.body) as Pod;
      uid = pod.metadata.uid;
      return uid !== before && isReady(pod);
    });
    return uid;
  }

  async deletePod(): Promise<void> {
    await this.#cluster.client.must("DELETE", POD);
  }

  /** Asks the node as it is now, with the key. */
  async must<Body>(method: string, path: string, body?: unknown): Promise<Body> {
    const { status } = await this.#cluster.client.must<Pod>("GET", POD);
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
          metadata: { name: NAMESPACE, labels: { "pod-security.kubernetes.io/enforce": "restricted" } },
        },
        {
          apiVersion: "v1",
          kind: "PersistentVolume",
          metadata: { name: "folder" },
          spec: { capacity: { storage: "10Gi" }, accessModes: ["ReadWriteOnce"], hostPath: { path: this.#folder } },
        },
      ],
      NAMESPACE,
    );
  }
}
