import { type EncodedAnswer, SEARCH, type SearchRequest } from "../../actors/retriever/search.ts";
import type { ClusterNode } from "../../cluster/node.ts";
import type { Sent } from "../../cluster/router/router.ts";
import { ALL_ON, type Flags } from "../../config/flags.ts";
import { cancellationOf } from "../../runtime/cancellation.ts";
import { toKennelError } from "../../runtime/errors.ts";
import type { Endpoint, MessageHeaders, StreamTransport, Transport } from "../../transport/transport.ts";

/** A search with what travels beside it. */
export interface RoutedSearch {
  readonly request: SearchRequest;
  readonly headers: MessageHeaders;
}

export type SearchCluster = ClusterNode<RoutedSearch, EncodedAnswer>;

/** What the bridge asks through: searches go where the cluster says, everything else stays on this node. */
export function clusteredTransport(
  local: Transport & StreamTransport,
  cluster: Pick<SearchCluster, "query">,
  /** The collection that a name stands for; what is not known here may be known by its store. */
  nameOf: (collectionOrAlias: string, signal: AbortSignal) => Promise<string> | string,
  flags: Pick<Flags, "routing"> = ALL_ON,
): Transport & StreamTransport {
  const search = async (request: SearchRequest, headers: MessageHeaders, signal: AbortSignal): Promise<EncodedAnswer> => {
    if (signal.aborted) throw cancellationOf(signal);
    const name = nameOf(request.collection, signal);
    const collection = typeof name === "string" ? name : await name;
    if (!flags.routing) return local.request(SEARCH, request, headers, signal);
    return new Promise<EncodedAnswer>((resolve, reject) => {
      const settle = (sent: Sent<EncodedAnswer>) => {
        signal.removeEventListener("abort", onAbort);
        if (sent.kind === "answer") resolve(sent.answer);
        else reject(toKennelError(sent.error.cause));
      };
      const onAbort = () => {
        cancel();
        reject(cancellationOf(signal));
      };
      const cancel = cluster.query(collection, { request, headers }, headers.timeoutMs, settle);
      signal.addEventListener("abort", onAbort, { once: true });
    });
  };
  return {
    kind: "nats",
    get isConnected() {
      return local.isConnected;
    },
    request<Request, Answer>(endpoint: Endpoint<Request, Answer>, request: Request, headers: MessageHeaders, signal: AbortSignal) {
      if (endpoint.name !== SEARCH.name) return local.request(endpoint, request, headers, signal);
      return search(request as SearchRequest, headers, signal) as Promise<Answer>;
    },
    ready: (endpoint, request, headers) => local.ready(endpoint, request, headers),
    serve: (endpoint, handler, ready) => local.serve(endpoint, handler, ready),
    stream: (endpoint, request, headers, signal) => local.stream(endpoint, request, headers, signal),
    serveStream: (endpoint, handler) => local.serveStream(endpoint, handler),
    close: (limitMs) => local.close(limitMs),
  };
}
