import type { EmbeddingModel } from "../../../actors/embedding/embedding.ts";

export interface ScriptedCall {
  readonly texts: readonly string[];
  readonly purpose: "query" | "document";
  readonly signal: AbortSignal;
  /** Answers with one vector a text: `[length of the text]`; null for the empty text. */
  answer(): void;
  fail(error: Error): void;
}

/** A model whose calls a test answers one by one. */
export interface ScriptedModel extends EmbeddingModel {
  readonly calls: readonly ScriptedCall[];
}

export function scriptedModel(options: { readonly maxBatch: number; readonly name?: string }): ScriptedModel {
  const calls: ScriptedCall[] = [];
  return {
    name: options.name ?? "scripted",
    dimensions: 1,
    maxBatch: options.maxBatch,
    calls,
    embed(texts, purpose, signal) {
      const { promise, resolve, reject } = Promise.withResolvers<readonly (Float32Array | null)[]>();
      const answer = () => resolve(texts.map((text) => (text === "" ? null : Float32Array.of(text.length))));
      calls.push({ texts, purpose, signal, answer, fail: reject });
      return promise;
    },
  };
}
