import { suite } from "uvu";
import * as assert from "uvu/assert";
import { embeddingChoice } from "../../config/embedding_choice.ts";
import { ConfigError, loadConfig } from "../../config/load.ts";
import { servePermissions } from "../../config/permissions.ts";
import { printableConfig } from "../../config/print.ts";

const test = suite("choice of the embedding model");

const load = (environment: Record<string, string>) =>
  loadConfig({ environment, readFile: () => null, hostName: () => "host", workingFolder: "/srv" });

function problemsOf(environment: Record<string, string>): readonly string[] {
  try {
    load(environment);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems;
  }
}

test("OpenAI's own address is the one where none is given, and another length is another model", () => {
  const environment = { KENNEL_EMBEDDING: "openai:text-embedding-3-large", OPENAI_API_KEY: "key" };
  assert.equal(embeddingChoice(load(environment)), {
    kind: "openai",
    name: "openai:text-embedding-3-large",
    model: "text-embedding-3-large",
    addresses: [{ url: "https://api.openai.com/v1", apiKey: "key", deployment: "text-embedding-3-large", weight: 1 }],
  });
  const shorter = embeddingChoice(load({ ...environment, KENNEL_OPENAI_DIMENSIONS: "256" }));
  assert.is(shorter.kind !== "static" && shorter.name, "openai:text-embedding-3-large@256");
});

test("Azure's deployments get addresses, keys and weights in their order, one of a kind is for all", () => {
  const choice = embeddingChoice(
    load({
      KENNEL_EMBEDDING: "azure:east,west",
      AZURE_OPENAI_ENDPOINT: "https://east.example.com/, https://west.example.com",
      AZURE_OPENAI_API_KEY: "key",
      KENNEL_OPENAI_WEIGHTS: "3,1",
    }),
  );
  assert.is(choice.kind !== "static" && choice.name, "azure:east");
  assert.equal(choice.kind !== "static" && choice.addresses, [
    { url: "https://east.example.com", apiKey: "key", deployment: "east", weight: 3 },
    { url: "https://west.example.com", apiKey: "key", deployment: "west", weight: 1 },
  ]);
});

test("What is wrong is said with the names of the variables and without the keys", () => {
  assert.equal(problemsOf({ KENNEL_EMBEDDING: "openai:m" }), ["OPENAI_API_KEY is not set, and KENNEL_EMBEDDING=openai:m needs it"]);
  assert.is(problemsOf({ KENNEL_EMBEDDING: "azure:d" }).length, 2);
  assert.match(
    problemsOf({ KENNEL_EMBEDDING: "openai" })[0] ?? "",
    'KENNEL_EMBEDDING: expected "static", "openai:MODEL" or "azure:DEPLOYMENT"',
  );
  assert.match(
    problemsOf({ KENNEL_EMBEDDING: "openai:m", OPENAI_BASE_URL: "models" })[0] ?? "",
    /OPENAI_BASE_URL: expected an address.*"models"/,
  );
  const counts = problemsOf({
    KENNEL_EMBEDDING: "openai:m",
    OPENAI_BASE_URL: "http://a/v1,http://b/v1,http://c/v1",
    OPENAI_API_KEY: "secret-1,secret-2",
    KENNEL_OPENAI_WEIGHTS: "1,2",
  });
  assert.is(counts.length, 2);
  assert.not.match(counts.join(), "secret");
  const redis = problemsOf({ KENNEL_REDIS_URL: "http://user:secret@host" });
  assert.match(redis.join(), 'KENNEL_REDIS_URL: expected an address like "redis://user:password@host:6379"');
  assert.not.match(redis.join(), "secret@");
});

test("A server of one's own needs no key, and the settings of a model that is not chosen are left alone", () => {
  assert.equal(problemsOf({ KENNEL_EMBEDDING: "openai:m", OPENAI_BASE_URL: "http://127.0.0.1:8080/v1" }), []);
  assert.equal(problemsOf({ OPENAI_BASE_URL: "not an address", OPENAI_API_KEY: "key" }), []);
});

test("Serving may speak to the provider and Redis when they are chosen, and their secrets are not printed", () => {
  const config = load({
    KENNEL_EMBEDDING: "openai:m",
    OPENAI_API_KEY: "secret-key",
    OPENAI_BASE_URL: "https://models.example.com/v1,http://10.0.0.1:8080/v1",
    KENNEL_REDIS_URL: "redis://user:secret-password@redis.example.com, rediss://other.example.com:6380",
  });
  const net = servePermissions(config, "/opt/kennel", "/opt/packages", "/srv/kennel.json").find((permission) =>
    permission.startsWith("--allow-net="),
  );
  assert.is(net, "--allow-net=127.0.0.1:7400,models.example.com:443,10.0.0.1:8080,redis.example.com:6379,other.example.com:6380");
  assert.not.match(JSON.stringify(printableConfig(config)), "secret");
  const plain = servePermissions(load({}), "/opt/kennel", "/opt/packages", "/srv/kennel.json");
  assert.ok(plain.includes("--allow-net=127.0.0.1:7400"));
});

test("A language model is chosen as an embedding model is, and what both lack is said once", () => {
  assert.equal(problemsOf({ KENNEL_CHAT: "openai:m" }), ["OPENAI_API_KEY is not set, and KENNEL_CHAT=openai:m needs it"]);
  assert.is(problemsOf({ KENNEL_CHAT: "azure:d", KENNEL_EMBEDDING: "azure:e", AZURE_OPENAI_API_KEY: "key" }).length, 2);
  assert.match(problemsOf({ KENNEL_CHAT: "static" }).join(), 'KENNEL_CHAT: expected nothing, "openai:MODEL" or "azure:DEPLOYMENT"');
  assert.is(problemsOf({ KENNEL_CHAT: "openai:m", KENNEL_EMBEDDING: "openai:e", OPENAI_BASE_URL: "models" }).length, 1);
});

test("A reranker's address is a web address without a password, which messages do not repeat", () => {
  for (const url of ["rerank", "ftp://a/rerank", "https://user:word@a/rerank"]) {
    assert.match(problemsOf({ KENNEL_RERANK_URL: url }).join(), "KENNEL_RERANK_URL: expected an address without a password");
  }
  const config = load({
    KENNEL_CHAT: "openai:m",
    OPENAI_BASE_URL: "http://10.0.0.1:8080/v1",
    KENNEL_RERANK_URL: "https://rerank.example.com/v2/rerank",
    KENNEL_RERANK_API_KEY: "secret-key",
  });
  const net = servePermissions(config, "/opt/kennel", "/opt/packages", "/srv/kennel.json").find((one) => one.startsWith("--allow-net="));
  assert.is(net, "--allow-net=127.0.0.1:7400,10.0.0.1:8080,rerank.example.com:443");
  assert.not.match(JSON.stringify(printableConfig(config)), "secret-key");
});

test.run();
