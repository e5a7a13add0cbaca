import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ConfigError, loadConfig } from "../../config/load.ts";
import { parseMilvusAddresses } from "../../config/milvus_addresses.ts";
import { servePermissions } from "../../config/permissions.ts";
import { printableConfig } from "../../config/print.ts";

const test = suite("Milvus' addresses");

const load = (url: string) =>
  loadConfig({ environment: { KENNEL_MILVUS_URL: url }, readFile: () => null, hostName: () => "host", workingFolder: "/srv" });

test("An address has a host, a port, perhaps TLS and a user; several have commas between them", () => {
  assert.equal(parseMilvusAddresses(""), []);
  assert.equal(parseMilvusAddresses("127.0.0.1:19531, https://user:p%40ss@a.example:443"), [
    { address: "127.0.0.1:19531", isTls: false, username: "", password: "" },
    { address: "a.example:443", isTls: true, username: "user", password: "p@ss" },
  ]);
  assert.is(parseMilvusAddresses("http://a.example")?.[0]?.address, "a.example:19530");
  assert.is(parseMilvusAddresses("http://[::1]")?.[0]?.address, "[::1]:19530");
});

test("What is no address is refused without showing it", () => {
  for (const url of ["redis://secret@a", "http://secret@a/path", "a:secret:b", "http://", "a,,b", "http://a:%E0%A4%A@b"]) {
    assert.is(parseMilvusAddresses(url), null, url);
    try {
      load(url);
      assert.unreachable(url);
    } catch (error) {
      assert.instance(error, ConfigError);
      assert.match((error as Error).message, /KENNEL_MILVUS_URL: expected an address/);
      assert.not.match((error as Error).message, "secret");
    }
  }
});

test("The address is masked where the configuration is printed, and its servers may be connected to", () => {
  const config = load("http://user:secret@a.example:1,b.example");
  assert.not.match(JSON.stringify(printableConfig(config)), "secret");
  const net = servePermissions(config, "/srv", "/srv/node_modules", "/srv/kennel.json").find((flag) => flag.startsWith("--allow-net="));
  assert.match(net ?? "", "a.example:1,b.example:19530");
  assert.not.match(net ?? "", "secret");
});

test.run();
