// OpenAI's client against Kennel: what can be asked, a search with its passages, and embeddings.
// node examples/ask.ts "what happens when a retriever crashes?"
import process from "node:process";
import OpenAI from "openai";

const question = process.argv[2] ?? "what happens when a retriever crashes?";
const url = process.env.KENNEL_URL ?? "http://127.0.0.1:7400";
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: process.env.KENNEL_API_KEY ?? "none" });

for await (const model of client.models.list()) console.log("model", model.id);

const found = await client.vectorStores.search("kennel", { query: question, max_num_results: 3 });
for (const { score, filename, content } of found.data) console.log(score.toFixed(2), filename, content[0]?.text.slice(0, 80));

const { data } = await client.embeddings.create({ model: "static-minilm-256", input: [question] });
console.log("dimensions", data[0]?.embedding.length);
