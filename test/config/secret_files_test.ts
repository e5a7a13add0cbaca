import { test } from "uvu";
import * as assert from "uvu/assert";
import { loadConfig, type Sources } from "../../config/load.ts";
import { SETTINGS } from "../../config/schema.ts";
import { secretFiles } from "../../config/secret_files.ts";
import { listSettings } from "../../config/setting.ts";

const FILES: Readonly<Record<string, string>> = {
  "/run/secrets/nats": "s3cret\n",
  "/run/secrets/openai": "sk-1",
  "/srv/relative": "redis://127.0.0.1:6379\r\n",
  "/run/secrets/xkey": `SX${"A".repeat(56)}\n`,
  "/run/secrets/empty": "\n",
  "/run/secrets/huge": "x".repeat(70_000),
};

function sources(environment: Record<string, string>): Sources {
  const readFile = (path: string) => {
    if (path === "/run/secrets/forbidden") throw new Error("EACCES");
    return FILES[path] ?? null;
  };
  return { environment, readFile, hostName: () => "h", workingFolder: "/srv" };
}

const problemsOf = (environment: Record<string, string>): string => {
  try {
    loadConfig(sources(environment));
  } catch (thrown) {
    return (thrown as Error).message;
  }
  return "";
};

test("A secret's variable with _FILE behind it is read from that file, without its line's end", () => {
  const environment = {
    KENNEL_NATS_PASSWORD_FILE: "/run/secrets/nats",
    KENNEL_NATS_USER: "n",
    OPENAI_API_KEY_FILE: "/run/secrets/openai",
    KENNEL_REDIS_URL_FILE: "relative",
  };
  const { nats, openai, redis } = loadConfig(sources(environment));
  assert.equal([nats.password, openai.apiKeys, redis.url], ["s3cret", "sk-1", "redis://127.0.0.1:6379"]);
  assert.equal(secretFiles(sources(environment), listSettings(SETTINGS)), ["/run/secrets/nats", "/run/secrets/openai", "/srv/relative"]);
});

test("The seed by which NATS' servers seal their questions may lie in a file", () => {
  const { nats } = loadConfig(
    sources({
      KENNEL_AUTH: "required",
      KENNEL_NATS_URL: "nats://a",
      KENNEL_NATS_CALLOUT_SEED_FILE: "/run/secrets/issuer",
      KENNEL_NATS_CALLOUT_XKEY_SEED_FILE: "/run/secrets/xkey",
    }),
  );
  assert.is(nats.calloutXkeySeed, `SX${"A".repeat(56)}`);
});

test("A file that is missing, shut, empty or huge, or one beside the variable itself, is told of without what it holds", () => {
  for (const path of ["/none", "/run/secrets/forbidden", "/run/secrets/empty", "/run/secrets/huge"]) {
    const said = problemsOf({ KENNEL_REDIS_URL_FILE: path });
    assert.match(said, "KENNEL_REDIS_URL_FILE: cannot read the file", path);
    assert.not.match(said, "xxx");
  }
  assert.match(
    problemsOf({ OPENAI_API_KEY: "sk-2", OPENAI_API_KEY_FILE: "/run/secrets/openai" }),
    "OPENAI_API_KEY and OPENAI_API_KEY_FILE are both set",
  );
  const wrong = problemsOf({ KENNEL_REDIS_URL_FILE: "/run/secrets/nats" });
  assert.match(wrong, "KENNEL_REDIS_URL_FILE: expected an address");
  assert.not.match(wrong, "s3cret");
});

test("What is no secret has no file, and settings that end alike stay what they are", () => {
  assert.match(problemsOf({ KENNEL_HTTP_PORT_FILE: "/run/secrets/nats" }), "KENNEL_HTTP_PORT_FILE is not a setting");
  assert.is(loadConfig(sources({ KENNEL_KEYS_FILE: "/keys/own.json" })).keys.file, "/keys/own.json");
  assert.equal(secretFiles(sources({ KENNEL_KEYS_FILE: "/keys/own.json", KENNEL_NATS_CA_FILE: "/ca.pem" }), listSettings(SETTINGS)), []);
});

test.run();
