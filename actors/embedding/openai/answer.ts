import { kennelError } from "../../../runtime/errors.ts";
import { unpackVector } from "../packed_vector.ts";

/** What is read of an answer of `POST /embeddings`; a server may send anything. */
export interface EmbeddingsAnswer {
  readonly data?: unknown;
  readonly usage?: unknown;
}

/**
 * The vectors of an answer, made unit length.
 * @param count texts that were sent
 * @param model for messages
 * @returns one a text, in the texts' order, all of one length
 * @throws KennelError `unavailable` for whatever is not that: the provider is at fault, not the caller
 */
export function readVectors(answer: EmbeddingsAnswer, count: number, model: string): readonly Float32Array[] {
  const data = answer?.data;
  if (!Array.isArray(data) || data.length !== count) {
    throw nonsense(model, `${Array.isArray(data) ? `${data.length} vectors` : "no vectors"} for ${count} texts`);
  }
  const vectors = new Array<Float32Array | undefined>(count);
  for (const [at, entry] of data.entries()) {
    const { embedding, index } = (entry ?? {}) as { readonly embedding?: unknown; readonly index?: unknown };
    const place = typeof index === "number" ? index : at;
    if (!Number.isInteger(place) || place < 0 || place >= count || vectors[place] !== undefined) {
      throw nonsense(model, `a vector for text ${place} of ${count}`);
    }
    vectors[place] = toUnitVector(readNumbers(embedding, model), model);
  }
  const found = vectors as Float32Array[];
  const odd = found.find(({ length }) => length !== found[0]?.length);
  if (odd !== undefined) throw nonsense(model, `vectors of ${found[0]?.length} and of ${odd.length} dimensions`);
  return found;
}

/** Tokens that the provider counts; 0 where it does not say. */
export function readTokens(answer: EmbeddingsAnswer): number {
  const { total_tokens: total } = (answer?.usage ?? {}) as { readonly total_tokens?: unknown };
  return typeof total === "number" && Number.isFinite(total) && total > 0 ? total : 0;
}

/** OpenAI sends little-endian floats as base64 when asked; many other servers send numbers whatever they are asked. */
function readNumbers(embedding: unknown, model: string): Float32Array {
  if (typeof embedding === "string") {
    const bytes = Buffer.from(embedding, "base64");
    const vector = unpackVector(bytes);
    if (vector === null) throw nonsense(model, `a vector of ${bytes.byteLength} bytes`);
    return vector;
  }
  if (Array.isArray(embedding) && embedding.length > 0 && embedding.every((value) => typeof value === "number")) {
    return Float32Array.from(embedding);
  }
  throw nonsense(model, "a vector that is none");
}

function toUnitVector(vector: Float32Array, model: string): Float32Array {
  let sum = 0;
  for (const value of vector) sum += value * value;
  if (!Number.isFinite(sum) || sum === 0) throw nonsense(model, "a vector without a direction");
  const factor = 1 / Math.sqrt(sum);
  for (let at = 0; at < vector.length; at++) vector[at] = (vector[at] as number) * factor;
  return vector;
}

function nonsense(model: string, found: string) {
  return kennelError("unavailable", { message: `The provider of ${model} gave ${found}` });
}
