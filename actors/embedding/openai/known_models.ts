/** What OpenAI says of its models: <https://platform.openai.com/docs/models>, <https://platform.openai.com/docs/pricing>. */
interface KnownModel {
  readonly dimensions: number;
  readonly dollarsPerMillionTokens: number;
}

const KNOWN_MODELS: Readonly<Record<string, KnownModel>> = {
  "text-embedding-3-small": { dimensions: 1_536, dollarsPerMillionTokens: 0.02 },
  "text-embedding-3-large": { dimensions: 3_072, dollarsPerMillionTokens: 0.13 },
  "text-embedding-ada-002": { dimensions: 1_536, dollarsPerMillionTokens: 0.1 },
};

/** Null: nothing is known of it. */
export function knownModel(model: string): KnownModel | null {
  return Object.hasOwn(KNOWN_MODELS, model) ? (KNOWN_MODELS[model] as KnownModel) : null;
}
