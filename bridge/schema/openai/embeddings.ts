import { Buffer } from "node:buffer";
import { z } from "zod";
import { textSchema } from "../text.ts";
import { validate } from "../validate.ts";

/** As OpenAI has it. */
const MAX_INPUTS = 2_048;
const MAX_TEXT_LENGTH = 100_000;
const CHARACTERS_PER_TOKEN = 4;

const inputSchema = textSchema(MAX_TEXT_LENGTH).min(1);

export const embeddingsRequestSchema = z
  .object({
    model: z.string().min(1).max(128).describe("The node's embedding model, as /v1/models names it"),
    input: z.union([inputSchema, z.array(inputSchema).min(1).max(MAX_INPUTS)]).describe("Texts; token ids are refused"),
    dimensions: z.int().min(1).optional().describe("The model's own; no other length is made"),
    encoding_format: z.enum(["float", "base64"]).default("float").describe("base64: little-endian 32-bit floats"),
  })
  .meta({ id: "EmbeddingsRequest" });

export interface EmbeddingsRequest {
  readonly model: string;
  readonly texts: readonly string[];
  readonly dimensions: number | null;
  readonly encoding: "float" | "base64";
}

/** Throws `invalid_request` with the field at fault. */
export function parseEmbeddings(body: unknown): EmbeddingsRequest {
  const wire = validate(embeddingsRequestSchema, body);
  return {
    model: wire.model,
    texts: typeof wire.input === "string" ? [wire.input] : wire.input,
    dimensions: wire.dimensions ?? null,
    encoding: wire.encoding_format,
  };
}

export const embeddingsAnswerSchema = z
  .object({
    object: z.literal("list"),
    data: z.array(
      z.object({
        object: z.literal("embedding"),
        index: z.int(),
        embedding: z
          .union([z.array(z.number()), z.string()])
          .describe("A unit vector; all zeros where the model knows no word of the text"),
      }),
    ),
    model: z.string(),
    usage: z.object({ prompt_tokens: z.int(), total_tokens: z.int() }).describe("Estimated: four characters a token"),
  })
  .meta({ id: "EmbeddingsAnswer" });

/** @param vectors one a text; null where the model knows no word of it */
export function fromVectors(
  model: string,
  { texts, encoding }: EmbeddingsRequest,
  vectors: readonly (Float32Array | null)[],
  dimensions: number,
): z.output<typeof embeddingsAnswerSchema> {
  const tokens = texts.reduce((sum, text) => sum + Math.ceil(text.length / CHARACTERS_PER_TOKEN), 0);
  return {
    object: "list",
    data: vectors.map((vector, index) => {
      const numbers = vector ?? new Float32Array(dimensions);
      return { object: "embedding", index, embedding: encoding === "float" ? [...numbers] : toBase64(numbers) };
    }),
    model,
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  };
}

function toBase64(vector: Float32Array): string {
  const bytes = Buffer.alloc(vector.length * 4);
  for (const [place, value] of vector.entries()) bytes.writeFloatLE(value, place * 4);
  return bytes.toString("base64");
}
