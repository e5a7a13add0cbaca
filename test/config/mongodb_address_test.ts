import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ConfigError, loadConfig } from "../../config/load.ts";
import { parseMongoAddress } from "../../config/mongodb_address.ts";
import { servePermissions } from "../../config/permissions.ts";
import { printableConfig } from "../../config/print.ts";

const test = suite("MongoDB's address");

const load = (url: string) =>
  loadConfig({ environment: { KENNEL_MONGODB_URL: url }, readFile: () => null, hostName: () => "host", workingFolder: "/srv" });

test("Hosts come with their ports, without the user, from one server or a replica set", () => {
  assert.equal(parseMongoAddress("mongodb://127.0.0.1")?.hosts, ["127.0.0.1:27017"]);
  assert.equal(parseMongoAddress("mongodb://user:p%40ss@a.example:1,[::1]:27018/kennel?replicaSet=rs0")?.hosts, [
    "a.example:1",
    "[::1]:27018",
  ]);
  assert.equal(parseMongoAddress("mongodb://a/?tls=true&tlsCAFile=/etc/ca.pem")?.files, ["/etc/ca.pem"]);
});

test("What is no address, or leaves its hosts to a name service, is refused without showing it", () => {
  for (const url of ["mongodb+srv://user:secret@a.example", "http://secret@a", "mongodb://", "mongodb://a:0", "mongodb://a:b@c@d"]) {
    assert.is(parseMongoAddress(url), null, url);
    try {
      load(url);
      assert.unreachable(url);
    } catch (error) {
      assert.instance(error, ConfigError);
      assert.match((error as Error).message, /KENNEL_MONGODB_URL: expected an address/);
      assert.not.match((error as Error).message, "secret");
    }
  }
});

test("The address is masked where it is shown, and a node may reach its hosts and read its certificate", () => {
  const config = load("mongodb://user:secret@a.example:1,b.example/?tlsCAFile=/etc/ca.pem");
  assert.not.match(JSON.stringify(printableConfig(config)), "secret");
  const permissions = servePermissions(config, "/opt/kennel", "/opt/kennel/node_modules", "/srv/kennel.json");
  const net = permissions.find((permission) => permission.startsWith("--allow-net="));
  assert.is(net, "--allow-net=127.0.0.1:7400,a.example:1,b.example:27017");
  assert.match(permissions.find((permission) => permission.startsWith("--allow-read=")) ?? "", ",/etc/ca.pem,");
  assert.not.match(permissions.join(" "), "secret");
});

test.run();
