import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ConfigError, loadConfig } from "../../config/load.ts";
import { parseNatsAddresses } from "../../config/nats_addresses.ts";
import { servePermissions } from "../../config/permissions.ts";
import { printableConfig } from "../../config/print.ts";
import type { Config } from "../../config/schema.ts";

const test = suite("addresses of NATS");

function load(environment: Readonly<Record<string, string>>): Config {
  return loadConfig({ environment, readFile: () => null, hostName: () => "here", workingFolder: "/srv" });
}

function problems(environment: Readonly<Record<string, string>>): readonly string[] {
  try {
    load(environment);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems;
  }
}

test("Several servers of one cluster are read, with scheme, port and user where they are given", () => {
  assert.equal(parseNatsAddresses("nats://node:p%40ss@a.example, b:4223,tls://[::1]:80"), {
    servers: ["a.example:4222", "b:4223", "[::1]:80"],
    user: "node",
    password: "p@ss",
    isTls: true,
  });
  assert.equal(parseNatsAddresses(""), { servers: [], user: "", password: "", isTls: false });
});

for (const text of [
  "http://a",
  "nats://",
  "nats://a/b",
  "nats://a?x=1",
  "nats://a:99999",
  "nats://x:y@a,nats://z:y@b",
  "nats://%zz@a",
  ",",
  "a b",
]) {
  test(`${JSON.stringify(text)} is no address`, () => assert.is(parseNatsAddresses(text), null));
}

test("A node may reach the servers it was given and read the files it was given, and nothing else of NATS", () => {
  const config = load({
    KENNEL_NATS_URL: "nats://a,tls://b:4443",
    KENNEL_NATS_CREDS_FILE: "keys/node.creds",
    KENNEL_NATS_CA_FILE: "/etc/ca.pem",
  });
  const permissions = servePermissions(config, "/opt/kennel", "/opt/packages", "/srv/kennel.json");
  const of = (name: string) => permissions.find((permission) => permission.startsWith(`--allow-${name}=`)) ?? "";
  assert.match(of("net"), ",a:4222,b:4443");
  assert.match(of("read"), ",/srv/keys/node.creds,/etc/ca.pem,");
});

test("What contradicts itself is refused with what to mend, and no secret in it", () => {
  const found = problems({
    KENNEL_NATS_URL: "nats://node:s3cret@a",
    KENNEL_NATS_NKEY_FILE: "node.nk",
    KENNEL_NATS_CERT_FILE: "cert.pem",
    KENNEL_NATS_RECONNECT_MS: "5000",
    KENNEL_NATS_INBOX_PREFIX: "a.*",
  });
  assert.is(found.length, 4);
  assert.match(found.join("\n"), "2 ways: the user in nats.url, nats.nkeyFile; choose one");
  assert.match(found.join("\n"), "nats.certFile and nats.keyFile belong together");
  assert.match(found.join("\n"), "nats.reconnectMs is longer");
  assert.match(found.join("\n"), "expected a subject like _INBOX");
  assert.not.match(found.join("\n"), "s3cret");
  const seed = `SX${"A".repeat(55)}1`; // no digit 1 in base 32
  const [shape, ...others] = problems({ KENNEL_NATS_CALLOUT_XKEY_SEED: seed });
  assert.equal(others, []);
  assert.match(shape ?? "", "nk -gen curve");
  assert.not.match(shape ?? "", seed);
  assert.match(problems({ KENNEL_NATS_CALLOUT_XKEY_SEED: `SX${"A".repeat(56)}` }).join("\n"), "calloutSeedFile is not");
  assert.match(problems({ KENNEL_NATS_PASSWORD: "s3cret" }).join("\n"), /^nats.password is set and nats.user is not$/);
});

test("Address and password are masked where the configuration is printed", () => {
  const config = load({ KENNEL_NATS_URL: "nats://a", KENNEL_NATS_USER: "node", KENNEL_NATS_PASSWORD: "s3cret" });
  assert.equal(
    [(printableConfig(config).nats as Config["nats"]).url, (printableConfig(config).nats as Config["nats"]).password],
    ["[masked]", "[masked]"],
  );
});

test.run();
