import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ConfigError, isLoopback, loadConfig, type Sources } from "../../config/load.ts";
import { PROFILE_DEFAULTS } from "../../config/profiles.ts";
import { LOG_LEVELS, SETTINGS } from "../../config/schema.ts";
import { environmentName, listSettings } from "../../config/setting.ts";
import { LOG_LEVELS as WRITTEN_LEVELS } from "../../telemetry/logs.ts";

const test = suite("configuration");

function sources(environment: Record<string, string> = {}, files: Record<string, string> = {}): Sources {
  return {
    environment,
    readFile: (path) => files[path] ?? null,
    hostName: () => "machine.example.com",
    workingFolder: "/srv/kennel",
  };
}

function problemsOf(given: Sources): readonly string[] {
  try {
    loadConfig(given);
  } catch (error) {
    assert.instance(error, ConfigError);
    return (error as ConfigError).problems;
  }
  return [];
}

test("A configuration without any source has every default, absolute paths and the machine's name", () => {
  const config = loadConfig(sources());
  assert.is(config.http.host, "127.0.0.1");
  assert.is(config.http.port, 7_400);
  assert.is(config.dataDir, "/srv/kennel/data");
  assert.is(config.nodeName, "machine-example-com");
  assert.is(config.auth, "off");
  assert.is(config.supervision.vectorStore.restartIntensity, 5);
});

test("Every default passes its own check, in every profile", () => {
  for (const setting of listSettings(SETTINGS)) {
    assert.ok(setting.schema.safeParse(setting.default).success, setting.key);
  }
  const byKey = new Map(listSettings(SETTINGS).map((setting) => [setting.key, setting]));
  for (const [profile, values] of Object.entries(PROFILE_DEFAULTS)) {
    for (const [key, value] of Object.entries(values)) assert.ok(byKey.get(key)?.schema.safeParse(value).success, `${profile}: ${key}`);
    assert.equal(problemsOf(sources({ KENNEL_PROFILE: profile })), []);
  }
});

test("The profile beats the defaults, the file beats the profile, the environment beats the file", () => {
  const file = { "/srv/kennel/kennel.json": '{"profile":"test","http":{"port":8000},"logLevel":"warn"}' };
  assert.is(loadConfig(sources({ KENNEL_PROFILE: "test" })).http.port, 0);
  const fromFile = loadConfig(sources({}, file));
  assert.is(fromFile.http.port, 8_000);
  assert.is(fromFile.logLevel, "warn");
  assert.is(fromFile.drain.limitMs, 5_000);
  assert.is(loadConfig(sources({ KENNEL_HTTP_PORT: "9000" }, file)).http.port, 9_000);
});

test("KENNEL_CONFIG names the file, and a named file that is missing is a problem", () => {
  const files = { "/etc/kennel.json": '{"nodeName":"n1"}' };
  assert.is(loadConfig(sources({ KENNEL_CONFIG: "/etc/kennel.json" }, files)).nodeName, "n1");
  assert.match(problemsOf(sources({ KENNEL_CONFIG: "/etc/none.json" }))[0] ?? "", "KENNEL_CONFIG: cannot read the file /etc/none.json");
});

test("All problems of all sources are listed at once", () => {
  const problems = problemsOf(
    sources(
      { KENNEL_HTTP_PROT: "1", KENNEL_HTTP_PORT: "many", KENNEL_LOG_LEVEL: "loud" },
      { "/srv/kennel/kennel.json": '{"http":{"hots":"x"},"cache":3,"ingest":{"workers":0}}' },
    ),
  ).join("\n");
  assert.match(problems, "KENNEL_HTTP_PROT is not a setting; did you mean KENNEL_HTTP_PORT?");
  assert.match(problems, /KENNEL_HTTP_PORT: .*found "many"/);
  assert.match(problems, /KENNEL_LOG_LEVEL: .*"trace".*found "loud"/);
  assert.match(problems, '"http.hots" in kennel.json is not a setting; did you mean http.host?');
  assert.match(problems, '"cache" in kennel.json: expected an object of settings');
  assert.match(problems, /"ingest.workers" in kennel.json: .*found 0/);
});

test("A file that is not a JSON object is a problem", () => {
  assert.match(problemsOf(sources({}, { "/srv/kennel/kennel.json": "{" }))[0] ?? "", "kennel.json: not JSON");
  assert.match(problemsOf(sources({}, { "/srv/kennel/kennel.json": "[]" }))[0] ?? "", "kennel.json: expected an object");
});

test("A file can't reach what objects inherit", () => {
  const problems = problemsOf(sources({}, { "/srv/kennel/kennel.json": '{"__proto__":{"x":1},"constructor":{"a":1}}' }));
  assert.is(problems.length, 2);
  assert.is(({} as Record<string, unknown>).x, undefined);
});

test("An address of NATS that is none is refused without being shown", () => {
  const [problem = ""] = problemsOf(sources({ KENNEL_NATS_URL: "http://node:s3cret@a" }));
  assert.match(problem, /KENNEL_NATS_URL: expected an address like "nats:/);
  assert.not.match(problem, "s3cret");
});

test("Variables of the command line are not settings, and variables of others are left alone", () => {
  assert.equal(problemsOf(sources({ KENNEL_URL: "http://x", KENNEL_API_KEY: "k", PATH: "/bin", OPENAI_API_KEY: "k" })), []);
});

test("A host that other machines can reach asks for keys until that is explicitly off; a loopback host does when it is told", () => {
  assert.is(loadConfig(sources({ KENNEL_HTTP_HOST: "0.0.0.0" })).auth, "required");
  assert.is(loadConfig(sources({ KENNEL_HTTP_HOST: "0.0.0.0", KENNEL_AUTH: "off" })).auth, "off");
  assert.is(loadConfig(sources({ KENNEL_AUTH: "required" })).auth, "required");
});

test("The keys lie in the data folder, or where the setting says", () => {
  assert.is(loadConfig(sources()).keys.file, "/srv/kennel/data/keys.json");
  assert.is(loadConfig(sources({ KENNEL_KEYS_FILE: "secrets/keys.json" })).keys.file, "/srv/kennel/secrets/keys.json");
});

test("Loopback is what only this machine can reach, and nothing that merely looks like it", () => {
  for (const host of ["localhost", "127.0.0.1", "127.8.9.1", "::1", "[::1]"]) assert.ok(isLoopback(host), host);
  for (const host of ["0.0.0.0", "::", "127.0.0.1.example.com", "localhost.example.com", "10.0.0.1", ""])
    assert.not.ok(isLoopback(host), host);
});

test("Settings that contradict each other are refused", () => {
  const problems = problemsOf(
    sources({
      KENNEL_DRAIN_GRACE_MS: "60000",
      KENNEL_SUPERVISION_EMBEDDING_BACKOFF_MS: "60000",
      KENNEL_SUPERVISION_EMBEDDING_MAX_BACKOFF_MS: "1000",
    }),
  );
  assert.equal(problems, [
    "drain.graceMs is longer than drain.limitMs, which holds all of a drain",
    "supervision.embedding.backoffMs is longer than its maxBackoffMs",
  ]);
});

test("Lists come with commas, booleans as true or false, numbers as numbers", () => {
  const config = loadConfig(
    sources({
      KENNEL_HTTP_CORS_ORIGINS: "https://a.example.com, http://localhost:3000",
      KENNEL_LOAD_DOCUMENTATION: "false",
      KENNEL_SUPERVISION_RETRIEVER_MAX_FAILURE_RATIO: "0.25",
    }),
  );
  assert.equal(config.http.corsOrigins, ["https://a.example.com", "http://localhost:3000"]);
  assert.is(config.loadDocumentation, false);
  assert.is(config.supervision.retriever.maxFailureRatio, 0.25);
  for (const [name, value] of [
    ["KENNEL_LOAD_DOCUMENTATION", "yes"],
    ["KENNEL_HTTP_PORT", ""],
    ["KENNEL_HTTP_PORT", "7400.5"],
    ["KENNEL_HTTP_CORS_ORIGINS", "https://a.example.com/path"],
  ] as const) {
    assert.is(problemsOf(sources({ [name]: value })).length, 1, `${name}=${value}`);
  }
});

test("Whatever the environment holds, loading gives a configuration or names the problems", () => {
  const names = listSettings(SETTINGS).map((setting) => setting.env);
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...names, "KENNEL_", "KENNEL_X"), fc.string()), (environment) => {
      const problems = problemsOf(sources(environment));
      assert.ok(problems.every((problem) => problem.length > 0));
    }),
  );
});

test("Every setting has a variable of its own, spelled from its key", () => {
  const names = listSettings(SETTINGS).map((setting) => setting.env);
  assert.is(new Set(names).size, names.length);
  assert.is(environmentName(["supervision", "vectorStore", "maxInFlight"]), "KENNEL_SUPERVISION_VECTOR_STORE_MAX_IN_FLIGHT");
});

test("Documents are fetched by URL from hosts that are named, in ranges that are ranges, or the start is refused", () => {
  assert.match(problemsOf(sources({ KENNEL_URL_INGEST: "on" })).join("\n"), "urlFetch.hosts names no host");
  const wrong = ["Docs.example.com", "http://docs.example.com", "docs.example.com:8080", "*docs.example.com", "docs.*"];
  for (const host of wrong) {
    const problems = problemsOf(sources({ KENNEL_URL_INGEST: "on", KENNEL_URL_FETCH_HOSTS: host }));
    assert.match(problems[0] ?? "", "KENNEL_URL_FETCH_HOSTS", host);
  }
  assert.match(problemsOf(sources({ KENNEL_URL_FETCH_PRIVATE_RANGES: "10.1.0.0/16,10.2" })).join("\n"), "expected a range");
  const { urlFetch } = loadConfig(
    sources({ KENNEL_URL_FETCH_HOSTS: "*.example.com, 10.1.2.3", KENNEL_URL_FETCH_PORTS: "8443", KENNEL_URL_FETCH_CA_FILE: "ca.pem" }),
  );
  assert.equal([urlFetch.hosts, urlFetch.ports, urlFetch.caFile], [["*.example.com", "10.1.2.3"], [8443], "/srv/kennel/ca.pem"]);
});

test("The log levels of the configuration are those that the log knows", () => {
  assert.equal([...LOG_LEVELS], [...WRITTEN_LEVELS]);
});

test.run();
