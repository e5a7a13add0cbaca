import { fileURLToPath } from "node:url";
import { readJudgedQueries } from "../../bridge/cli/judged_queries.ts";
import { nplDocuments } from "./corpus.ts";
import {
  type IsRelevant,
  type ModelService,
  type Slowness,
  startChatService,
  startEmbeddingService,
  startRerankService,
} from "./model_services.ts";
import { serveCommands, startSideProcess } from "./side_process.ts";

/** The three models in a process of their own, so that neither the node nor its callers share an event loop with them. */
export const MODELS = ["embedding", "reranker", "chat"] as const;
export type ModelName = (typeof MODELS)[number];

type Command =
  | { readonly kind: "start" }
  | { readonly kind: "slow"; readonly model: ModelName; readonly slowness: Slowness | null }
  | { readonly kind: "take" | "give_back"; readonly model: ModelName };

export interface ModelProcess {
  readonly origins: Readonly<Record<ModelName, string>>;
  slow(model: ModelName, slowness: Slowness | null): Promise<void>;
  take(model: ModelName): Promise<void>;
  giveBack(model: ModelName): Promise<void>;
  stop(): Promise<void>;
}

export async function startModelProcess(): Promise<ModelProcess> {
  const host = startSideProcess(new URL("./model_process.ts", import.meta.url));
  const tell = async (command: Command) => void (await host.ask(command));
  try {
    return {
      origins: await host.ask<Readonly<Record<ModelName, string>>>({ kind: "start" } satisfies Command),
      slow: (model, slowness) => tell({ kind: "slow", model, slowness }),
      take: (model) => tell({ kind: "take", model }),
      giveBack: (model) => tell({ kind: "give_back", model }),
      stop: () => host.stop(),
    };
  } catch (thrown) {
    await host.stop();
    throw thrown;
  }
}

const [QUERIES_FILE, JUDGEMENTS_FILE] = ["queries.jsonl", "qrels.tsv"].map((file) =>
  fileURLToPath(new URL(`../../test/data/npl/${file}`, import.meta.url)),
) as [string, string];

/** Every second document that was judged relevant to a question of NPL: what a strong reranker would lift. */
async function knownOfNpl(): Promise<IsRelevant> {
  const ids = new Map((await nplDocuments()).map(({ id, text }) => [text.trim(), id]));
  const judged = new Map((await readJudgedQueries(QUERIES_FILE, JUDGEMENTS_FILE)).map(({ text, judgements }) => [text, judgements]));
  return (query, text) => {
    const id = ids.get(text.trim());
    return id !== undefined && Number(id) % 2 === 0 && (judged.get(query)?.get(id) ?? 0) > 0;
  };
}

async function handle(services: Map<ModelName, ModelService>, command: Command): Promise<unknown> {
  if (command.kind === "start") {
    services.set("embedding", await startEmbeddingService(1));
    services.set("reranker", await startRerankService(2, await knownOfNpl()));
    services.set("chat", await startChatService(3));
    return Object.fromEntries([...services].map(([model, { origin }]) => [model, origin]));
  }
  const service = services.get(command.model) as ModelService;
  if (command.kind === "slow") service.slow(command.slowness);
  else await (command.kind === "take" ? service.take() : service.giveBack());
  return null;
}

if (import.meta.main) {
  const services = new Map<ModelName, ModelService>();
  await serveCommands<Command>((command) => handle(services, command));
}
