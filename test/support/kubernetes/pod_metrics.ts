import { readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import type { KubernetesClient } from "../../../tooling/servers/kubernetes_client.ts";
import { isReady, type List, type Pod } from "./objects.ts";
import type { PodNetwork } from "./pod_network.ts";

const GROUP = "custom.metrics.k8s.io";
const VERSION = "v1beta2";
const SCRAPE_LIMIT_MS = 8_000;
const QUERY = new RegExp(`^/apis/${GROUP}/${VERSION}/namespaces/([^/]+)/pods/\\*/([a-z_]+)$`);

export interface PodMetricsOptions {
  readonly client: KubernetesClient;
  readonly network: PodNetwork;
  readonly namespace: string;
  /** Of the pods' /metrics. */
  readonly port: number;
  readonly key: string;
  /** Files of a certificate and its key, in PEM. */
  readonly certificate: string;
  readonly certificateKey: string;
}

/** Kubernetes' API of custom metrics, as an adapter in front of Prometheus serves it: each value is what a pod's own /metrics says at the moment. */
export class PodMetrics {
  readonly #options: PodMetricsOptions;
  readonly #server: Server;

  private constructor(options: PodMetricsOptions) {
    this.#options = options;
    const cert = readFileSync(options.certificate);
    const key = readFileSync(options.certificateKey);
    this.#server = createServer({ cert, key }, (request, response) => void this.#answer(request, response));
  }

  /** Serves, and tells the API server where. */
  static async start(options: PodMetricsOptions): Promise<PodMetrics> {
    const metrics = new PodMetrics(options);
    const server = metrics.#server;
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const service = { namespace: options.namespace, name: "pod-metrics" };
    const objects = [
      // The API server refuses endpoints of the loopback network, and follows a name.
      { apiVersion: "v1", kind: "Service", metadata: { name: service.name }, spec: { type: "ExternalName", externalName: "localhost" } },
      {
        apiVersion: "apiregistration.k8s.io/v1",
        kind: "APIService",
        metadata: { name: `${VERSION}.${GROUP}` },
        spec: {
          group: GROUP,
          version: VERSION,
          service: { ...service, port },
          insecureSkipTLSVerify: true,
          groupPriorityMinimum: 100,
          versionPriority: 100,
        },
      },
    ];
    for (const object of objects) {
      const { status, message } = await options.client.apply(object, options.namespace);
      if (status >= 300) throw new Error(message);
    }
    return metrics;
  }

  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "https://localhost");
    const asked = QUERY.exec(decodeURIComponent(url.pathname));
    const found = asked === null ? resources() : this.#values(asked[2] as string, url.searchParams.get("labelSelector") ?? "");
    const body = await Promise.resolve(found).catch(() => null);
    response.writeHead(body === null ? 503 : 200, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
  }

  /** A pod that gives no value is left out: the autoscaler then assumes the best of it. */
  async #values(metric: string, labelSelector: string): Promise<object> {
    const { client, namespace } = this.#options;
    const path = `/api/v1/namespaces/${namespace}/pods?labelSelector=${encodeURIComponent(labelSelector)}`;
    const pods = (await client.must<List<Pod>>("GET", path)).items.filter(isReady);
    const items = await Promise.all(
      pods.map(async (pod) => {
        const value = await this.#scrape(pod, metric).catch(() => null);
        if (value === null) return [];
        const describedObject = { kind: "Pod", apiVersion: "v1", namespace, name: pod.metadata.name };
        return [{ describedObject, metric: { name: metric }, timestamp: new Date().toISOString(), value: String(value) }];
      }),
    );
    return { kind: "MetricValueList", apiVersion: `${GROUP}/${VERSION}`, metadata: {}, items: items.flat() };
  }

  async #scrape(pod: Pod, metric: string): Promise<number | null> {
    const { network, port, key } = this.#options;
    const address = network.bound(pod.status?.podIP ?? "");
    const answer = await fetch(`http://${address}:${port}/metrics`, {
      headers: { authorization: `Bearer ${key}`, connection: "close" },
      signal: AbortSignal.timeout(SCRAPE_LIMIT_MS),
    });
    const values = [...(await answer.text()).matchAll(new RegExp(`^${metric}(?:\\{[^}]*\\})? ([0-9.e+-]+)$`, "gm"))];
    return values.length === 0 ? null : values.reduce((sum, [, value]) => sum + Number(value), 0);
  }
}

/** What the group has: asked for when the API server and the controllers look which kinds there are. */
function resources(): object {
  const name = "pods/kennel_http_requests_in_flight";
  const resource = { name, singularName: "", namespaced: true, kind: "MetricValueList", verbs: ["get"] };
  return { kind: "APIResourceList", apiVersion: "v1", groupVersion: `${GROUP}/${VERSION}`, resources: [resource] };
}
