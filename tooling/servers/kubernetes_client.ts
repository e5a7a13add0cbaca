import { request } from "node:https";
import type { KubernetesObject } from "../manifests.ts";

/** What the server says of an object that was applied. */
export interface Verdict {
  readonly status: number;
  /** Why it was refused; empty: it was not. */
  readonly message: string;
  /** Of Pod Security, among others. */
  readonly warnings: readonly string[];
}

export interface KubernetesAnswer {
  readonly status: number;
  readonly body: string;
  readonly warnings: readonly string[];
}

/** One line of a watch. */
export interface WatchEvent<Watched> {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";
  readonly object: Watched;
}

interface Resource {
  readonly name: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

const CALL_LIMIT_MS = 20_000;
const PATCH_TYPES = {
  apply: "application/apply-patch+yaml",
  merge: "application/merge-patch+json",
  /** Lists are merged by the key that the kind has for them: conditions by type. */
  strategic: "application/strategic-merge-patch+json",
} as const;

/** Speaks to an API server on this machine, which made its own certificate; the token is that of a test. */
export class KubernetesClient {
  readonly #port: number;
  readonly #token: string;

  constructor(port: number, token: string) {
    this.#port = port;
    this.#token = token;
  }

  /** @param body sent as JSON @returns whatever the server answers */
  call(method: string, path: string, body?: unknown, contentType = "application/json"): Promise<KubernetesAnswer> {
    return new Promise((resolve, reject) => {
      const sent = this.#request(method, path, body, contentType);
      sent.setTimeout(CALL_LIMIT_MS, () => sent.destroy(new Error("The API server does not answer")));
      sent.on("response", (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (part: string) => {
          text += part;
        });
        response.on("error", reject);
        response.on("end", () =>
          resolve({ status: response.statusCode ?? 0, body: text, warnings: [response.headers.warning ?? []].flat() }),
        );
      });
      sent.on("error", reject);
    });
  }

  /** The body of an answer that is no refusal; rejects with the server's message else. */
  async must<Body>(method: string, path: string, body?: unknown, contentType?: string): Promise<Body> {
    const answer = await this.call(method, path, body, contentType);
    if (answer.status >= 400) throw new Error(`${method} ${path} answered ${answer.status}: ${messageOf(answer.body)}`);
    return JSON.parse(answer.body) as Body;
  }

  patch(kind: keyof typeof PATCH_TYPES, path: string, body: unknown): Promise<unknown> {
    return this.must("PATCH", path, body, PATCH_TYPES[kind]);
  }

  /** Server-side apply with strict fields, into `namespace` where the object's kind has one. Rejects for a kind that the server does not know. */
  async apply(object: KubernetesObject, namespace: string, isDryRun = false): Promise<Verdict> {
    const root = object.apiVersion.includes("/") ? `/apis/${object.apiVersion}` : `/api/${object.apiVersion}`;
    const { resources = [] } = JSON.parse((await this.call("GET", root)).body) as { resources?: readonly Resource[] };
    const resource = resources.find(({ kind, name }) => kind === object.kind && !name.includes("/"));
    if (resource === undefined) throw new Error(`The API server knows no ${object.kind} of ${object.apiVersion}`);
    const place = resource.namespaced ? `${root}/namespaces/${object.metadata.namespace ?? namespace}` : root;
    const query = `fieldManager=test&force=true&fieldValidation=Strict${isDryRun ? "&dryRun=All" : ""}`;
    const path = `${place}/${resource.name}/${object.metadata.name}?${query}`;
    const { status, body, warnings } = await this.call("PATCH", path, object, PATCH_TYPES.apply);
    return { status, message: status < 300 ? "" : messageOf(body), warnings };
  }

  /**
   * One watch, until the server, the network or the signal ends it.
   * @param path with its query, `watch=1` and `resourceVersion` among it
   */
  watch<Watched>(path: string, onEvent: (event: WatchEvent<Watched>) => void, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const sent = this.#request("GET", path);
      const end = () => {
        signal.removeEventListener("abort", abort);
        resolve();
      };
      const abort = () => {
        sent.destroy();
        end();
      };
      signal.addEventListener("abort", abort, { once: true });
      sent.on("response", (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (part: string) => {
          if (signal.aborted) return;
          const lines = (text + part).split("\n");
          text = lines.pop() ?? "";
          for (const line of lines) if (line !== "") onEvent(JSON.parse(line) as WatchEvent<Watched>);
        });
        response.on("error", end);
        response.on("close", end);
        response.on("end", end);
      });
      sent.on("error", end);
      if (signal.aborted) abort();
    });
  }

  #request(method: string, path: string, body?: unknown, contentType = "application/json") {
    const text = body === undefined ? "" : JSON.stringify(body);
    const headers = {
      authorization: `Bearer ${this.#token}`,
      // Said also for DELETE, whose body Node would send without.
      ...(body === undefined ? {} : { "content-type": contentType, "content-length": Buffer.byteLength(text) }),
    };
    const sent = request({ host: "127.0.0.1", port: this.#port, method, path, headers, rejectUnauthorized: false, agent: false });
    sent.end(text);
    return sent;
  }
}

function messageOf(body: string): string {
  try {
    return (JSON.parse(body) as { message?: string }).message ?? body;
  } catch {
    return body;
  }
}
