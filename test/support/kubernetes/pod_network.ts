/**
 * Addresses of pods on one machine without network namespaces. The API server refuses addresses of the loopback network in EndpointSlices, and nobody
 * here has others: so a pod is reported as 10.244.N.M and listens on 127.X.N.M, where each test has an X of its own. All pods use the same port.
 */
export class PodNetwork {
  readonly #octet = 100 + Math.floor(Math.random() * 150);

  /** @param node and @param pod 1 to 254 */
  reported(node: number, pod: number): string {
    return `10.244.${node}.${pod}`;
  }

  /** Where a pod listens that is reported so. */
  bound(reported: string): string {
    return reported.replace(/^10\.244\./, `127.${this.#octet}.`);
  }
}
