/**
 * Asks Kennel over NATS, with NATS' own client: a search, one whose answer may be larger than a message, an error, and a conversation as it is written.
 *
 *   NATS_URL=nats://127.0.0.1:4222 node examples/nats.ts "what happens when a retriever crashes?"
 */
import process from "node:process";
import { connect, headers, type Msg, RequestStrategy } from "nats";
import { requestWhole } from "./nats_parts.ts";

const question = process.argv[2] ?? "what happens when a retriever crashes?";
/** How long an answer is waited for; Kennel is told, so that it works no longer than that. */
const TIMEOUT_MS = 10_000;

const client = await connect({ servers: process.env.NATS_URL ?? "nats://127.0.0.1:4222" });

function deadline() {
  const given = headers();
  given.set("X-Request-Timeout-Ms", String(TIMEOUT_MS));
  return { timeout: TIMEOUT_MS, headers: given };
}

function bodyOf<Body>(message: Msg): Body {
  const failure = message.headers?.get("Kennel-Error-Code");
  if (failure) throw new Error(`${failure}: ${message.headers?.get("Nats-Service-Error")}`);
  return message.json<Body>();
}

interface Found {
  readonly mode: string;
  readonly data: readonly { readonly document_id: string; readonly score: number }[];
}

try {
  const reply = await client.request("kennel.v1.search.kennel", JSON.stringify({ query: question, top_k: 3 }), deadline());
  const { data, mode } = bodyOf<Found>(reply);
  for (const { document_id: document, score } of data) console.log(`${score.toFixed(3)} ${document} (${mode})`);

  const many = { query: question, top_k: 1_000 };
  const whole = await requestWhole(client, "kennel.v1.search.kennel", many, deadline().headers, TIMEOUT_MS);
  console.log((JSON.parse(whole.text) as Found).data.length, "hits in one answer");

  const refused = await client.request("kennel.v1.search.no-such-collection", JSON.stringify({ query: question }), deadline());
  console.log(refused.headers?.get("Kennel-Error-Code"), refused.headers?.get("Nats-Service-Error"));

  const chat = { messages: [{ role: "user", content: question }] };
  const chunks = await client.requestMany("kennel.v1.chat.kennel", JSON.stringify(chat), {
    strategy: RequestStrategy.SentinelMsg,
    maxWait: TIMEOUT_MS,
    headers: deadline().headers,
  });
  process.stdout.write("answer: ");
  for await (const chunk of chunks) {
    if (chunk.data.length === 0) break;
    const { choices } = bodyOf<{ readonly choices: readonly { readonly delta: { readonly content?: string } }[] }>(chunk);
    process.stdout.write(choices[0]?.delta.content ?? "");
  }
  console.log();
} finally {
  await client.close();
}
