import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { SearchAnswer } from "../../../../actors/retriever/search.ts";
import type { PageFiles } from "../../../../bridge/http/collaborators.ts";
import { openPage } from "../../../../bridge/http/page/page.ts";
import type { StatusAnswer } from "../../../../bridge/http/page/wire.ts";

/** What the server answers next; a test changes it to bring about what a real node will not do on demand. */
export interface Recorded {
  collections: readonly { readonly name: string; readonly documents: number; readonly chunks: number }[];
  /** A function may look at the question. */
  search: (collection: string, body: { readonly query: string; readonly top_k: number }) => SearchAnswer | RecordedError;
  status: StatusAnswer | RecordedError;
  metrics: string;
}

export class RecordedError {
  readonly status: number;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, code: string, message: string, headers: Readonly<Record<string, string>> = {}) {
    this.status = status;
    this.body = JSON.stringify({ error: { message, type: "server_error", code, param: null } });
    this.headers = headers;
  }
}

/** The page over answers that were written down, on a port of its own. */
export class RecordedServer {
  readonly recorded: Recorded;
  /** Requests so far, as `METHOD path`. */
  readonly requests: string[] = [];
  readonly #server: Server;

  private constructor(recorded: Recorded, page: PageFiles) {
    this.recorded = recorded;
    this.#server = createServer((request, response) => {
      // A page that is left while it asks takes its request with it.
      this.#answer(page, request, response).catch(() => response.destroy());
    });
  }

  static async open(recorded: Recorded): Promise<RecordedServer> {
    const server = new RecordedServer(recorded, await openPage());
    await new Promise<void>((resolve) => server.#server.listen(0, "127.0.0.1", resolve));
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(page: PageFiles, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? "/").replace(/\?.*$/, "");
    this.requests.push(`${request.method} ${path}`);
    const file = page.get(path);
    if (file !== null) {
      response.setHeader("content-security-policy", page.contentSecurityPolicy);
      response.setHeader("content-type", file.contentType);
      response.setHeader("content-encoding", "gzip");
      response.end(file.gzipped);
      return;
    }
    const answer = await this.#data(path, request);
    response.setHeader("x-request-id", "01JQ4E6Y0Z");
    if (answer instanceof RecordedError) {
      response.writeHead(answer.status, { "content-type": "application/json", ...answer.headers }).end(answer.body);
      return;
    }
    response.end(typeof answer === "string" ? answer : JSON.stringify(answer));
  }

  async #data(path: string, request: IncomingMessage): Promise<object | string> {
    const { recorded } = this;
    if (path === "/v1/collections") return { object: "list", data: recorded.collections, next: null };
    if (path === "/v1/status") return recorded.status;
    if (path === "/metrics") return recorded.metrics;
    const collection = /^\/v1\/collections\/([^/]+)\/search$/.exec(path)?.[1];
    if (collection === undefined) return new RecordedError(404, "not_found", "There is no such route");
    let body = "";
    for await (const part of request) body += part;
    return recorded.search(decodeURIComponent(collection), JSON.parse(body));
  }
}
