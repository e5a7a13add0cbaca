import type { KubernetesClient } from "../../../tooling/servers/kubernetes_client.ts";
import type { EndpointSlice } from "./objects.ts";
import type { PodNetwork } from "./pod_network.ts";
import { keepWatching } from "./watched.ts";

/** How much later than the API server a machine's forwarding knows: on real ones some tens to hundreds of milliseconds. */
const LATE_MS = 250;

/** Where a Service leads, as kube-proxy has it: to pods that are ready, and if there is none to those that end and still serve. */
export class ServiceEndpoints {
  readonly #network: PodNetwork;
  readonly #slices = new Map<string, EndpointSlice>();
  readonly #late = new Set<NodeJS.Timeout>();
  #addresses: readonly string[] = [];
  #next = 0;

  constructor(client: KubernetesClient, network: PodNetwork, namespace: string, service: string, signal: AbortSignal) {
    this.#network = network;
    const label = encodeURIComponent(`kubernetes.io/service-name=${service}`);
    const path = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices?labelSelector=${label}`;
    void keepWatching<EndpointSlice>(client, path, (slice, isGone) => this.#later(slice, isGone), signal);
    signal.addEventListener("abort", () => {
      for (const timer of this.#late) clearTimeout(timer);
    });
  }

  get addresses(): readonly string[] {
    return this.#addresses;
  }

  /** The next in turn, another one than `avoided` where there is another; null: there is none. */
  pick(avoided: string | null = null): string | null {
    const others = this.#addresses.filter((address) => address !== avoided);
    const choice = others.length === 0 ? this.#addresses : others;
    this.#next += 1;
    return choice[this.#next % choice.length] ?? null;
  }

  #later(slice: EndpointSlice, isGone: boolean): void {
    const timer = setTimeout(() => {
      this.#late.delete(timer);
      if (isGone) this.#slices.delete(slice.metadata.uid);
      else this.#slices.set(slice.metadata.uid, slice);
      this.#read();
    }, LATE_MS);
    this.#late.add(timer);
  }

  #read(): void {
    const endpoints = [...this.#slices.values()].flatMap((slice) => slice.endpoints ?? []);
    const ready = endpoints.filter(({ conditions }) => conditions.ready === true);
    const serving = endpoints.filter(({ conditions }) => conditions.serving === true);
    const chosen = ready.length > 0 ? ready : serving;
    this.#addresses = chosen.flatMap(({ addresses }) => addresses.map((address) => this.#network.bound(address)));
  }
}
