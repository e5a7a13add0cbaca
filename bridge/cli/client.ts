import { resolve } from "node:path";
import type { z } from "zod";
import { ConfigError, loadConfig, type Sources } from "../../config/load.ts";
import type { Clock } from "../../runtime/clock.ts";
import { CommandError, EXIT } from "./terminal.ts";

/** What was sent with a request; text or bytes carry their media type, a form brings its own. */
export type Body =
  | { readonly kind: "json"; readonly value: unknown }
  | { readonly kind: "bytes"; readonly mediaType: string; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "form"; readonly form: FormData };

export interface RequestOptions {
  readonly body?: Body;
  /** How often an answer that says "try again later" is asked for again. @default 0 */
  readonly maxRetries?: number;
  readonly signal: AbortSignal;
}

const MAX_RETRY_AFTER_S = 30;

/** Kennel's HTTP API as the command line uses it. Every failure is a `CommandError` that says what to do. */
export class KennelClient {
  readonly url: string;
  readonly #clock: Clock;
  readonly #key: string | null;

  /** @param key sent as a bearer token where there is one */
  constructor(url: string, clock: Clock, key: string | null = null) {
    this.url = url.replace(/\/+$/, "");
    this.#clock = clock;
    this.#key = key;
  }

  /** The answer's JSON, checked; null for a 404. */
  async find<Schema extends z.ZodType>(path: string, schema: Schema, signal: AbortSignal): Promise<z.output<Schema> | null> {
    const response = await this.#send("GET", path, { signal });
    if (response.status === 404) return null;
    return this.#read(response, path, schema);
  }

  async request<Schema extends z.ZodType>(
    method: string,
    path: string,
    schema: Schema,
    options: RequestOptions,
  ): Promise<z.output<Schema>> {
    for (let retries = options.maxRetries ?? 0; ; retries--) {
      const response = await this.#send(method, path, options);
      const retryAfterS = Number(response.headers.get("retry-after") ?? Number.NaN);
      if (retries <= 0 || !Number.isFinite(retryAfterS) || (response.status !== 429 && response.status !== 503)) {
        return this.#read(response, path, schema);
      }
      await response.body?.cancel();
      await this.#clock.sleep(Math.min(retryAfterS, MAX_RETRY_AFTER_S) * 1_000, options.signal);
    }
  }

  async #send(method: string, path: string, options: RequestOptions): Promise<Response> {
    const { body, signal } = options;
    const headers = new Headers(this.#key === null ? {} : { authorization: `Bearer ${this.#key}` });
    if (body?.kind === "json") headers.set("content-type", "application/json");
    if (body?.kind === "bytes") headers.set("content-type", body.mediaType);
    const content =
      body === undefined ? null : body.kind === "json" ? JSON.stringify(body.value) : body.kind === "bytes" ? body.bytes : body.form;
    try {
      return await fetch(this.url + path, { method, headers, body: content, signal });
    } catch (error) {
      signal.throwIfAborted();
      throw new CommandError(
        `Cannot reach Kennel at ${this.url}: ${innermost(error)}\nStart it with "npm start", or set KENNEL_URL to where it runs`,
        EXIT.failed,
        { cause: error },
      );
    }
  }

  async #read<Schema extends z.ZodType>(response: Response, path: string, schema: Schema): Promise<z.output<Schema>> {
    const text = await response.text();
    const value = parseJson(text);
    if (!response.ok) throw new CommandError(describeFailure(response, value), EXIT.failed);
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    throw new CommandError(`${this.url}${path} did not answer as Kennel does; is KENNEL_URL right?`, EXIT.failed, { cause: parsed.error });
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // a proxy's page, or nothing: said by the caller
  }
}

function describeFailure(response: Response, body: unknown): string {
  const error = (body as { error?: { message?: unknown; code?: unknown } } | null)?.error;
  if (typeof error?.message !== "string") return `The server answered ${response.status}`;
  if (error.code === "unauthorized") return "The server asks for a key: set KENNEL_API_KEY to a valid one (unauthorized)";
  return `${error.message} (${String(error.code)})`;
}

/** "fetch failed" says nothing; its cause does. */
function innermost(error: unknown): string {
  let inner = error;
  while (inner instanceof Error && inner.cause instanceof Error) inner = inner.cause;
  return inner instanceof Error ? inner.message || ((inner as NodeJS.ErrnoException).code ?? inner.name) : String(inner);
}

/** KENNEL_API_KEY; null: none is set. What is wrong with it is said without showing it. */
export function apiKey({
  environment,
  readFile,
  workingFolder,
}: Pick<Sources, "environment" | "readFile" | "workingFolder">): string | null {
  const file = environment.KENNEL_API_KEY_FILE ?? "";
  const given = (environment.KENNEL_API_KEY || (file === "" ? "" : (readFile(resolve(workingFolder, file)) ?? "\0"))).trim();
  if (given === "") return null;
  if (/^[\x21-\x7e]+$/.test(given)) return given;
  throw new CommandError(
    "KENNEL_API_KEY, or the file that KENNEL_API_KEY_FILE names: expected a key as kennel keys create prints it",
    EXIT.misused,
  );
}

/** KENNEL_URL, or where the configuration says that this machine's node listens. */
export function serverUrl(sources: Sources): string {
  const given = sources.environment.KENNEL_URL;
  if (given !== undefined && given !== "") {
    if (!/^https?:$/.test(URL.canParse(given) ? new URL(given).protocol : "")) {
      throw new CommandError(`KENNEL_URL: expected an address like http://127.0.0.1:7400, found ${JSON.stringify(given)}`, EXIT.misused);
    }
    return given;
  }
  try {
    const { http, tls } = loadConfig(sources);
    const { host, port } = http;
    const reachable = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
    return `${tls.certFile === "" ? "http" : "https"}://${reachable.includes(":") && !reachable.startsWith("[") ? `[${reachable}]` : reachable}:${port}`;
  } catch (error) {
    if (error instanceof ConfigError) throw new CommandError(error.message, EXIT.misused, { cause: error });
    throw error;
  }
}

export function collectionPath(collection: string): string {
  return `/v1/collections/${encodeURIComponent(collection)}`;
}
