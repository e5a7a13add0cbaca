import { kennelError } from "../../runtime/errors.ts";
import type { Provider } from "../model_provider/provider.ts";
import type { EmbeddingModel, Purpose } from "./embedding.ts";
import { type EmbeddingsAnswer, readTokens, readVectors } from "./openai/answer.ts";

export interface OpenAiEmbeddingOptions {
  /** As collections name it: `openai:text-embedding-3-small`. */
  readonly name: string;
  readonly provider: Provider;
  /** Texts in one request. */
  readonly maxInputs: number;
  /** Tokens in one request, estimated. */
  readonly maxTokens: number;
  /** Asks for vectors of this length; null: the model's own. */
  readonly requestedDimensions: number | null;
  /** The length that the model's vectors are known to have, read before each call; null: nobody knows yet. */
  readonly dimensions: () => number | null;
  readonly onTokens: (tokens: number) => void;
}

/**
 * Embeddings of OpenAI, of Azure, and of whatever speaks their protocol. Queries and documents are embedded alike.
 * `embed` rejects with `invalid_request` (a text is too long, say), `overloaded`, `unavailable` or the cancellation.
 */
export class OpenAiEmbeddings implements EmbeddingModel {
  readonly name: string;
  readonly maxBatch: number;
  readonly #options: OpenAiEmbeddingOptions;

  constructor(options: OpenAiEmbeddingOptions) {
    this.name = options.name;
    this.maxBatch = options.maxInputs;
    this.#options = options;
  }

  /** @throws KennelError `unavailable` as long as nobody knows */
  get dimensions(): number {
    return knownOrRefused(this.#options.dimensions(), this.name);
  }

  async embed(texts: readonly string[], _purpose: Purpose, signal: AbortSignal): Promise<readonly (Float32Array | null)[]> {
    // The provider refuses texts without a word; they have no vector.
    const places = texts.flatMap((text, at) => (text.trim() === "" ? [] : [at]));
    const vectors = new Array<Float32Array | null>(texts.length).fill(null);
    const groups = splitByTokens(places, (at) => texts[at] as string, this.#options);
    await Promise.all(
      groups.map(async (group) => {
        const found = await this.#request(
          group.map((at) => texts[at] as string),
          signal,
        );
        for (const [place, at] of group.entries()) vectors[at] = found[place] ?? null;
      }),
    );
    return vectors;
  }

  /** A call with one word, answered with the length of its vector. Rejects as `embed` does. */
  async measure(signal: AbortSignal): Promise<number> {
    return (await this.#request(["dimensions"], signal))[0]?.length ?? 0;
  }

  #request(input: readonly string[], signal: AbortSignal): Promise<readonly Float32Array[]> {
    const { provider, name, requestedDimensions, onTokens } = this.#options;
    const shortened = requestedDimensions === null ? {} : { dimensions: requestedDimensions };
    return provider.call(async ({ client, model, options }) => {
      // Asked for by name, or the client would take numbers for base64.
      const body = { model, input: [...input], encoding_format: "base64" as const, ...shortened };
      const answer: EmbeddingsAnswer = await client.embeddings.create(body, options);
      onTokens(readTokens(answer));
      const vectors = readVectors(answer, input.length, name);
      this.#checkDimensions(vectors[0]?.length ?? 0);
      return vectors;
    }, signal);
  }

  #checkDimensions(found: number): void {
    const { name, requestedDimensions } = this.#options;
    const known = this.#options.dimensions() ?? requestedDimensions;
    if (known === null || known === found) return;
    throw kennelError("unavailable", { message: `The provider gave vectors of ${found} dimensions, those of ${name} have ${known}` });
  }
}

/** @throws KennelError `unavailable` while null */
export function knownOrRefused(dimensions: number | null, name: string): number {
  if (dimensions !== null) return dimensions;
  const message = `The length of ${name}'s vectors is not known before its provider has answered once; try again`;
  throw kennelError("unavailable", { message, retryAfterMs: 1_000 });
}

/** Consecutive groups within both limits; a text beyond them stands alone, and the provider says what it thinks of it. */
function splitByTokens(
  places: readonly number[],
  textAt: (place: number) => string,
  { maxInputs, maxTokens }: { readonly maxInputs: number; readonly maxTokens: number },
): readonly (readonly number[])[] {
  const groups: number[][] = [];
  let group: number[] = [];
  let tokens = 0;
  for (const place of places) {
    const own = Math.ceil(Buffer.byteLength(textAt(place)) / BYTES_PER_TOKEN);
    if (group.length > 0 && (group.length >= maxInputs || tokens + own > maxTokens)) {
      groups.push(group);
      group = [];
      tokens = 0;
    }
    group.push(place);
    tokens += own;
  }
  if (group.length > 0) groups.push(group);
  return groups;
}

/** English has about 4 in OpenAI's vocabularies, most other text at least this. */
const BYTES_PER_TOKEN = 3;
