// A retriever of LlamaIndex.TS that asks Kennel; it goes wherever a query engine takes one.
// node examples/llamaindex.ts "what happens when a retriever crashes?"
import process from "node:process";
import type { QueryBundle } from "@llamaindex/core/query-engine";
import { BaseRetriever } from "@llamaindex/core/retriever";
import { MetadataMode, type NodeWithScore, TextNode } from "@llamaindex/core/schema";
import { extractText } from "@llamaindex/core/utils";
import OpenAI from "openai";

class KennelRetriever extends BaseRetriever {
  readonly #client: OpenAI;
  readonly #collection: string;
  readonly #k: number;

  constructor(url: string, collection: string, k: number) {
    super();
    this.#client = new OpenAI({ baseURL: `${url}/v1`, apiKey: process.env.KENNEL_API_KEY ?? "none" });
    this.#collection = collection;
    this.#k = k;
  }

  override async _retrieve({ query }: QueryBundle): Promise<NodeWithScore[]> {
    const asked = { query: extractText(query), max_num_results: this.#k };
    const { data } = await this.#client.vectorStores.search(this.#collection, asked);
    return data.map(({ file_id, filename, score, attributes, content }) => {
      const metadata = { ...attributes, id: file_id, title: filename };
      return { node: new TextNode({ text: content[0]?.text ?? "", metadata }), score };
    });
  }
}

const question = process.argv[2] ?? "what happens when a retriever crashes?";
const retriever = new KennelRetriever(process.env.KENNEL_URL ?? "http://127.0.0.1:7400", "kennel", 3);
for (const { node, score } of await retriever.retrieve({ query: question })) {
  console.log(score?.toFixed(2), node.metadata.title, node.getContent(MetadataMode.NONE).slice(0, 80));
}
