// A retriever of LangChain.js that asks Kennel; it goes wherever a chain takes one.
// node examples/langchain.ts "what happens when a retriever crashes?"
import process from "node:process";
import { Document } from "@langchain/core/documents";
import { BaseRetriever } from "@langchain/core/retrievers";
import OpenAI from "openai";

class KennelRetriever extends BaseRetriever {
  lc_namespace = ["kennel"];
  readonly #client: OpenAI;
  readonly #collection: string;
  readonly #k: number;

  constructor(url: string, collection: string, k: number) {
    super();
    this.#client = new OpenAI({ baseURL: `${url}/v1`, apiKey: process.env.KENNEL_API_KEY ?? "none" });
    this.#collection = collection;
    this.#k = k;
  }

  override async _getRelevantDocuments(query: string): Promise<Document[]> {
    const { data } = await this.#client.vectorStores.search(this.#collection, { query, max_num_results: this.#k });
    return data.map(
      ({ file_id, filename, score, attributes, content }) =>
        new Document({ pageContent: content[0]?.text ?? "", metadata: { ...attributes, id: file_id, title: filename, score } }),
    );
  }
}

const question = process.argv[2] ?? "what happens when a retriever crashes?";
const retriever = new KennelRetriever(process.env.KENNEL_URL ?? "http://127.0.0.1:7400", "kennel", 3);
for (const { metadata, pageContent } of await retriever.invoke(question)) {
  console.log(metadata.score.toFixed(2), metadata.title, pageContent.slice(0, 80));
}
