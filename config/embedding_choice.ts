import type { Config } from "./schema.ts";

/** One address that serves the model, and how much of the calls it gets. */
export interface ProviderAddress {
  /** With `/v1` for OpenAI's protocol, the resource for Azure's. */
  readonly url: string;
  /** Empty: none is sent. */
  readonly apiKey: string;
  /** What the address calls the model: OpenAI's name, Azure's deployment. */
  readonly deployment: string;
  /** > 0; a share of the sum. */
  readonly weight: number;
}

/** A provider's model and who serves it. */
export interface ProviderChoice {
  readonly kind: "openai" | "azure";
  /** As collections and the status name it: `openai:text-embedding-3-small`, `openai:text-embedding-3-large@256`. */
  readonly name: string;
  /** Of `azure:east,west` the first. */
  readonly model: string;
  readonly addresses: readonly ProviderAddress[];
}

/** What `embedding` means. */
export type EmbeddingChoice = { readonly kind: "static" } | ProviderChoice;

type ProviderSettings = Pick<Config, "openai" | "azure">;
interface RerankSettings {
  readonly rerank: Pick<Config["rerank"], "url" | "embedding">;
}
type ModelSettings = ProviderSettings & Pick<Config, "embedding">;

const OPENAI_URL = "https://api.openai.com/v1";

/** The model's name as collections keep it: another number of dimensions is another model. */
export function embeddingChoice(settings: ModelSettings): EmbeddingChoice {
  const choice = providerChoice(settings.embedding, settings);
  const { dimensions } = settings.openai;
  if (choice === null) return { kind: "static" };
  return dimensions === 0 ? choice : { ...choice, name: `${choice.name}@${dimensions}` };
}

/** What a model's setting means. @param chosen `openai:MODEL`, `azure:DEPLOYMENT,…`; null for anything else */
export function providerChoice(chosen: string, { openai, azure }: ProviderSettings): ProviderChoice | null {
  const [kind, models] = splitOnce(chosen);
  if (kind !== "openai" && kind !== "azure") return null;
  const deployments = models.split(",");
  const model = deployments[0] as string;
  const urls = kind === "azure" ? azure.endpoints : openai.baseUrls.length > 0 ? openai.baseUrls : [OPENAI_URL];
  const keys = (kind === "azure" ? azure.apiKeys : openai.apiKeys).split(",").map((key) => key.trim());
  const count = Math.max(urls.length, deployments.length);
  return {
    kind,
    name: `${kind}:${model}`,
    model,
    addresses: Array.from({ length: count }, (_, at) => ({
      url: (urls[at] ?? urls[0] ?? "").replace(/\/+$/, ""),
      apiKey: keys[at] ?? keys[0] ?? "",
      deployment: deployments[at] ?? model,
      weight: openai.weights[at] ?? 1,
    })),
  };
}

/** What is wrong with the settings of the models that are chosen; nothing is asked of those of another. */
export function modelProblems(settings: ModelSettings & Pick<Config, "chat"> & RerankSettings): readonly string[] {
  return [
    ...new Set([
      ...providerProblems("KENNEL_EMBEDDING", settings.embedding, settings),
      ...providerProblems("KENNEL_CHAT", settings.chat, settings),
      ...providerProblems("KENNEL_RERANK_EMBEDDING", settings.rerank.embedding, settings),
      ...(settings.rerank.embedding !== "" && settings.rerank.url !== ""
        ? ["KENNEL_RERANK_URL and KENNEL_RERANK_EMBEDDING are both set: a node has one reranker, leave one of them out"]
        : []),
    ]),
  ];
}

function providerProblems(variable: string, chosen: string, settings: ProviderSettings): readonly string[] {
  const choice = providerChoice(chosen, settings);
  if (choice === null) return [];
  const { openai, azure } = settings;
  const problems: string[] = [];
  const isAzure = choice.kind === "azure";
  const [urlsFrom, urls] = isAzure ? ["AZURE_OPENAI_ENDPOINT", azure.endpoints] : ["OPENAI_BASE_URL", openai.baseUrls];
  const [keysFrom, keys] = isAzure ? ["AZURE_OPENAI_API_KEY", azure.apiKeys] : ["OPENAI_API_KEY", openai.apiKeys];
  if (isAzure && urls.length === 0) problems.push(`${urlsFrom} is not set, and ${variable}=${chosen} needs it`);
  if (keys === "" && (isAzure || urls.length === 0)) problems.push(`${keysFrom} is not set, and ${variable}=${chosen} needs it`);
  for (const url of urls) {
    if (!isWebAddress(url))
      problems.push(`${urlsFrom}: expected an address like "https://models.example.com/v1", found ${JSON.stringify(url)}`);
  }
  const count = choice.addresses.length;
  const lists: readonly (readonly [string, number])[] = [
    [urlsFrom, urls.length],
    [variable, splitOnce(chosen)[1].split(",").length],
    [keysFrom, keys.split(",").length],
    ["KENNEL_OPENAI_WEIGHTS", openai.weights.length],
  ];
  for (const [from, length] of lists) {
    if (length > 1 && length !== count)
      problems.push(`${from} names ${length}, but there are ${count} deployments: give one, or one for each`);
  }
  return problems;
}

function isWebAddress(url: string): boolean {
  return URL.canParse(url) && ["http:", "https:"].includes(new URL(url).protocol);
}

function splitOnce(embedding: string): readonly [string, string] {
  const at = embedding.indexOf(":");
  return at < 0 ? [embedding, ""] : [embedding.slice(0, at), embedding.slice(at + 1)];
}
