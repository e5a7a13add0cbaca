// Who a node is to NATS, and over what: user, nkey, creds file, TLS with a private CA and with certificates of both sides.
import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nkeys } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { NatsServer } from "../../../tooling/servers/nats.ts";
import { onNode } from "../../journeys/node_rig.ts";
import { startServer, until } from "./nats_rig.ts";

const test = suite("credentials for NATS");

interface NatsStatus {
  readonly state: string;
  readonly cause: string | null;
}

/** Starts a node with these settings and waits until it is connected, or known to be cut off. */
async function stateWith(server: NatsServer, settings: Readonly<Record<string, string>>): Promise<NatsStatus> {
  let seen: NatsStatus | null = null;
  await onNode({ KENNEL_NATS_URL: server.url, ...settings }, async ({ node }) => {
    await until("the node is connected or cut off", async () => {
      const status = (await (await fetch(`${node.url}/v1/status`)).json()) as { readonly nats: NatsStatus };
      seen = status.nats;
      return ["connected", "isolated"].includes(seen.state);
    });
  });
  return seen as unknown as NatsStatus;
}

async function inFolder(journey: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "kennel-credentials-"));
  try {
    await journey(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function onServer(configuration: string, journey: (server: NatsServer) => Promise<void>): Promise<void> {
  const server = await startServer({ configuration });
  try {
    await journey(server);
  } finally {
    await server.stop();
  }
}

/** A file that only its owner reads. */
function secretFile(folder: string, name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  chmodSync(path, 0o600);
  return path;
}

test("A user is known by its password, in the address or apart from it, and without it the node is cut off", () =>
  onServer('authorization { user: node, password: "s3cret" }', async (server) => {
    assert.is((await stateWith(server, { KENNEL_NATS_USER: "node", KENNEL_NATS_PASSWORD: "s3cret" })).state, "connected");
    assert.is((await stateWith(server, { KENNEL_NATS_URL: server.url.replace("//", "//node:s3cret@") })).state, "connected");
    const refused = await stateWith(server, {});
    assert.is(refused.state, "isolated");
    assert.ok(refused.cause !== null);
  }));

test("A user is known by the seed of its nkey in a file", () =>
  inFolder((folder) => {
    const pair = nkeys.createUser();
    const stranger = nkeys.createUser();
    const seedOf = (key: typeof pair) => new TextDecoder().decode(key.getSeed());
    return onServer(`authorization { users: [{ nkey: ${pair.getPublicKey()} }] }`, async (server) => {
      const file = secretFile(folder, "node.nk", `${seedOf(pair)}\n`);
      assert.is((await stateWith(server, { KENNEL_NATS_NKEY_FILE: file })).state, "connected");
      const wrong = secretFile(folder, "other.nk", seedOf(stranger));
      assert.is((await stateWith(server, { KENNEL_NATS_NKEY_FILE: wrong })).state, "isolated");
      const missing = await stateWith(server, { KENNEL_NATS_NKEY_FILE: join(folder, "none.nk") });
      assert.is(missing.state, "isolated");
      assert.not.match(JSON.stringify(missing), folder);
    });
  }));

/** A token as NATS has them: claims signed by the key of who vouches for them. */
function tokenOf(issuer: ReturnType<typeof nkeys.createUser>, subject: string, name: string, nats: object): string {
  const part = (value: object | Uint8Array) =>
    Buffer.from(value instanceof Uint8Array ? value : JSON.stringify(value)).toString("base64url");
  const claims = {
    jti: name,
    iat: Math.floor(Date.now() / 1_000),
    iss: issuer.getPublicKey(),
    sub: subject,
    name,
    nats: { version: 2, ...nats },
  };
  const signed = `${part({ typ: "JWT", alg: "ed25519-nkey" })}.${part(claims)}`;
  return `${signed}.${part(issuer.sign(new TextEncoder().encode(signed)))}`;
}

test("A user is known by the token and seed of a creds file", () =>
  inFolder((folder) => {
    const [operator, system, account, user] = [nkeys.createOperator(), nkeys.createAccount(), nkeys.createAccount(), nkeys.createUser()];
    const unlimited = { subs: -1, data: -1, payload: -1, conn: -1, leaf: -1, imports: -1, exports: -1, wildcards: true };
    const operatorToken = tokenOf(operator, operator.getPublicKey(), "kennel", { type: "operator" });
    const systemToken = tokenOf(operator, system.getPublicKey(), "system", { type: "account", limits: unlimited });
    const accountToken = tokenOf(operator, account.getPublicKey(), "kennel", { type: "account", limits: unlimited });
    const userToken = tokenOf(account, user.getPublicKey(), "node", { type: "user", subs: -1, data: -1, payload: -1 });
    const seed = new TextDecoder().decode(user.getSeed());
    const creds = `-----BEGIN NATS USER JWT-----\n${userToken}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n`;
    const preloaded = `${system.getPublicKey()}: ${systemToken}, ${account.getPublicKey()}: ${accountToken}`;
    const configuration = `operator: ${operatorToken}\nsystem_account: ${system.getPublicKey()}\nresolver: MEMORY\nresolver_preload: { ${preloaded} }`;
    return onServer(configuration, async (server) => {
      assert.is((await stateWith(server, { KENNEL_NATS_CREDS_FILE: secretFile(folder, "node.creds", creds) })).state, "connected");
      assert.is(
        (await stateWith(server, { KENNEL_NATS_CREDS_FILE: secretFile(folder, "cut.creds", creds.slice(0, 200)) })).state,
        "isolated",
      );
    });
  }));

/** A CA of its own, and certificates that it has signed: of a server at these names, of a node. */
function certificates(folder: string, names: string) {
  const openssl = (...args: readonly string[]) => execFileSync("openssl", [...args], { cwd: folder, stdio: "ignore" });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl("req", "-x509", ...key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test", "-days", "2");
  for (const [name, alternative] of [
    ["server", `subjectAltName=${names}`],
    ["node", "subjectAltName=DNS:node"],
  ] as const) {
    openssl("req", ...key, "-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`);
    writeFileSync(join(folder, `${name}.ext`), alternative);
    openssl(
      "x509",
      "-req",
      "-in",
      `${name}.csr`,
      "-CA",
      "ca.pem",
      "-CAkey",
      "ca.key",
      "-CAcreateserial",
      "-out",
      `${name}.pem`,
      "-days",
      "2",
      "-extfile",
      `${name}.ext`,
    );
  }
  return (name: string) => join(folder, name);
}

test("A private CA is trusted where it is named, a certificate must carry the name, and a node shows its own where it is asked to", () =>
  inFolder((folder) => {
    const file = certificates(folder, "DNS:nats.internal");
    const configuration = `tls { cert_file: "${file("server.pem")}", key_file: "${file("server.key")}", ca_file: "${file("ca.pem")}", verify: true }`;
    return onServer(configuration, async (server) => {
      const own = { KENNEL_NATS_CERT_FILE: file("node.pem"), KENNEL_NATS_KEY_FILE: file("node.key") };
      const trusted = { KENNEL_NATS_CA_FILE: file("ca.pem"), KENNEL_NATS_TLS_NAME: "nats.internal" };
      assert.is((await stateWith(server, { ...trusted, ...own })).state, "connected", "all is right");
      assert.is((await stateWith(server, trusted)).state, "isolated", "no certificate of its own");
      assert.is((await stateWith(server, { ...own, KENNEL_NATS_TLS_NAME: "nats.internal" })).state, "isolated", "the CA is not known");
      assert.is(
        (await stateWith(server, { ...trusted, ...own, KENNEL_NATS_TLS_NAME: "other.internal" })).state,
        "isolated",
        "another name",
      );
    });
  }));

test("Without a name of its own, the certificate must carry the address'", () =>
  inFolder((folder) => {
    const file = certificates(folder, "IP:127.0.0.1,DNS:localhost");
    return onServer(`tls { cert_file: "${file("server.pem")}", key_file: "${file("server.key")}" }`, async (server) => {
      const trusted = { KENNEL_NATS_CA_FILE: file("ca.pem") };
      assert.is((await stateWith(server, trusted)).state, "connected", "an IP address");
      const named = `tls://localhost:${server.address.split(":")[1]}`;
      assert.is((await stateWith(server, { ...trusted, KENNEL_NATS_URL: named })).state, "connected", "a host's name");
    });
  }));

test("A name that the certificate does not carry is refused", () =>
  inFolder((folder) => {
    const file = certificates(folder, "DNS:other.internal,IP:10.0.0.1");
    return onServer(`tls { cert_file: "${file("server.pem")}", key_file: "${file("server.key")}" }`, async (server) => {
      const trusted = { KENNEL_NATS_CA_FILE: file("ca.pem") };
      assert.is((await stateWith(server, trusted)).state, "isolated", "an IP address");
      const named = `tls://localhost:${server.address.split(":")[1]}`;
      assert.is((await stateWith(server, { ...trusted, KENNEL_NATS_URL: named })).state, "isolated", "a host's name");
    });
  }));

test.run();
