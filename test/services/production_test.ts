/**
 * The production profile with the addresses of real servers: Milvus for the vectors, a server that speaks MongoDB's protocol
 * for the documents, Redis for the embeddings of a provider. It is launched as `npm start` launches it, with Deno's
 * permissions, and serves the README's commands.
 *
 * FerretDB reads whole collections where MongoDB has indexes, so that the corpus of judged queries is cut to its first
 * documents, without a bound on the ranking. With a MongoDB of your own in KENNEL_MONGODB_URL it is not.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { SearchAnswer } from "../../actors/retriever/search.ts";
import type { StatusNode } from "../../supervisor/child.ts";
import type { FerretServer } from "../../tooling/servers/ferretdb.ts";
import type { MilvusServer } from "../../tooling/servers/milvus_process.ts";
import { type RedisServer, startRedis } from "../../tooling/servers/redis.ts";
import { Caller, until } from "../journeys/caller.ts";
import { type LaunchedKennel, launchKennel } from "../support/launched_kennel.ts";
import { startOpenAiServer } from "../support/openai_server.ts";
import { assertWorks, commandsOf, documentationLoaded, readmeBlocks, runAsWritten } from "../support/readme_commands.ts";
import { redisPath } from "../support/services.ts";
import { startServer as startMilvusServer } from "./milvus/stores.ts";
import { newDatabase, startServer as startFerretServer } from "./mongodb/server.ts";

const CORPUS = "test/data/npl/corpus.jsonl";
const FEW_DOCUMENTS = 40;

const ownMongo = process.env.KENNEL_MONGODB_URL ?? "";
let folder: string;
let milvus: MilvusServer | null = null;
let ferret: FerretServer | null = null;
let redis: RedisServer | null = null;
let kennel: LaunchedKennel | undefined;

function addresses() {
  if (milvus === null || redis === null) throw new Error("The servers did not start");
  return {
    KENNEL_PROFILE: "production",
    KENNEL_MILVUS_URL: `http://${milvus.address}`,
    KENNEL_MONGODB_URL: ferret === null ? ownMongo : newDatabase(ferret),
    KENNEL_REDIS_URL: redis.url,
    KENNEL_DRAIN_GRACE_MS: "0",
    // What is asked below is asked of a node that has reached all of them, on a busy machine too.
    KENNEL_MONGODB_START_WAIT_MS: "60000",
  };
}

function node(): LaunchedKennel {
  if (kennel === undefined) throw new Error("The node did not start");
  return kennel;
}

interface Status {
  readonly mode: string;
  readonly children: readonly StatusNode[];
}

const childrenOf = async (caller: Caller) => {
  const { children } = await caller.must<Status>("GET", "/v1/status");
  return new Map(children.map((child) => [child.path.split("/").at(-1) ?? "", child]));
};

const servers = suite("real servers");
servers("Milvus, a MongoDB server and Redis start", async () => {
  folder = await mkdtemp(join(tmpdir(), "kennel-production-"));
  redis = await startRedis(redisPath(), folder);
  if (ownMongo === "") ferret = await startFerretServer();
  milvus = await startMilvusServer("milvus");
});
servers.run();

const readme = suite("the production profile and the README");
readme.before(async () => {
  kennel = await launchKennel(addresses());
  await documentationLoaded(kennel.url, kennel.output);
});

readme("It is the real servers that it uses, each healthy, and the mode is full", async () => {
  const children = await childrenOf(new Caller(node().url));
  for (const name of ["document_store", "vector_store", "embedding"]) {
    assert.equal([name, children.get(name)?.state, children.get(name)?.breaker], [name, "ready", "closed"]);
  }
  assert.is(children.get("vector_store")?.details?.store, "milvus");
  assert.ok((children.get("vector_store")?.pool?.size ?? 0) > 0);
  assert.ok((children.get("document_store")?.pool?.size ?? 0) > 0);
  const { mode } = await new Caller(node().url).must<Status>("GET", "/v1/status");
  assert.is(mode, "full");
});

for (const command of readmeBlocks().flatMap(commandsOf)) {
  readme(`The README's example works: ${command.split("\n")[0]?.slice(0, 90)}`, async () => {
    await assertWorks(ownMongo === "" ? await shortened(command) : command, node().url);
  });
}

readme("The first question is answered in full from the page of documentation that tells it", async () => {
  const printed = await runAsWritten(
    'npm run --silent kennel -- search kennel "what happens when a retriever crashes?" --json',
    node().url,
  );
  const { data, mode } = JSON.parse(printed) as SearchAnswer;
  assert.is(mode, "full");
  assert.ok(data.some((hit) => hit.document_id === "ARCHITECTURE.md"));
});
readme("It leaves with exit code 0 and never lacked a permission", async () => {
  const { exitCode, signal, out, err } = await node().stop();
  assert.equal([exitCode, signal], [0, null], err);
  assert.not.match(out + err, "NotCapable");
});
readme.after(async () => {
  await kennel?.stop();
});
readme.run();

const provider = suite("the production profile and a provider's model");
provider("What a provider has embedded is kept in Redis, and costs nothing after a restart", async () => {
  const model = await startOpenAiServer({ dimensions: 64 });
  const settings = {
    ...addresses(),
    KENNEL_LOAD_DOCUMENTATION: "false",
    // A busy machine is not a slow Redis.
    KENNEL_REDIS_READ_TIMEOUT_MS: "500",
    KENNEL_EMBEDDING: "openai:test-model",
    OPENAI_BASE_URL: model.url,
    OPENAI_API_KEY: "key",
  };
  const paid = () => model.requests.flatMap(({ body }) => body.input ?? []).filter((text) => text !== "probe" && text !== "dimensions");
  const question = { query: "a cat without a tail", strategy: "vector" };
  let node = await launchKennel(settings);
  try {
    let caller = new Caller(node.url);
    await caller.makeCollection("animals", { resident: "never" });
    await caller.addDocuments("animals", [
      { id: "beagle", text: "A small scent hound." },
      { id: "manx", text: "A cat without a tail." },
    ]);
    const before = await caller.search("animals", question);
    assert.equal([before.mode, before.degradations, before.data.length], ["full", [], 2]);
    await until("Redis has the embeddings", async () => (await childrenOf(caller)).get("redis")?.details?.written === 3);
    const { exitCode, out, err } = await node.stop();
    assert.is(exitCode, 0, err);
    assert.not.match(out + err, "NotCapable");
    const cost = paid().length;
    node = await launchKennel(settings);
    caller = new Caller(node.url);
    // A node does not wait for Redis: what is asked before it is there is paid for.
    await until("Redis is there", async () => (await childrenOf(caller)).get("redis")?.state === "ready");
    assert.equal((await caller.search("animals", question)).data, before.data);
    assert.is(paid().length, cost);
  } finally {
    await node.stop();
    await model.stop();
  }
});
provider.after(async () => {
  await Promise.all([redis?.stop(), milvus?.stop(), ferret?.stop()]);
  await rm(folder, { recursive: true, force: true });
});
provider.run();

/** The same command with the first documents of the corpus. */
async function shortened(command: string): Promise<string> {
  if (command.includes(CORPUS)) {
    const lines = (await readFile(new URL(`../../${CORPUS}`, import.meta.url), "utf8")).split("\n");
    await writeFile(join(folder, "corpus.jsonl"), `${lines.slice(0, FEW_DOCUMENTS).join("\n")}\n`);
  }
  return command.replace(CORPUS, join(folder, "corpus.jsonl")).replace(/ --min-ndcg \S+/, "");
}
