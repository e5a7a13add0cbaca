/** A node that speaks TLS: from its settings to a client's certificate, and a certificate that is replaced while it runs. */
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { loadConfig } from "../../config/load.ts";
import { until } from "./caller.ts";
import { onNode } from "./node_rig.ts";

const test = suite<{ folder: string }>("TLS");
const CERTIFICATES = new URL("../data/tls/", import.meta.url);
const pem = (name: string) => readFile(new URL(name, CERTIFICATES), "utf8");

test.before.each(async (state) => {
  state.folder = await mkdtemp(join(tmpdir(), "kennel-tls-"));
  await put(state.folder, "server");
});
test.after.each(({ folder }) => rm(folder, { recursive: true, force: true }));

/** Puts a server's certificate and key where the node looks. */
async function put(folder: string, name: string): Promise<void> {
  for (const ending of ["pem", "key"]) await copyFile(new URL(`${name}.${ending}`, CERTIFICATES), join(folder, `tls.${ending}`));
}

const settings = (folder: string) => ({
  KENNEL_TLS_CERT_FILE: join(folder, "tls.pem"),
  KENNEL_TLS_KEY_FILE: join(folder, "tls.key"),
  KENNEL_TLS_CHECK_MS: "50",
});

/** The status and whose certificate was shown; null: no connection. */
async function ready(url: string, client: string | null): Promise<{ status: number; server: string } | null> {
  const own = client === null ? {} : { cert: await pem(`${client}.pem`), key: await pem(`${client}.key`) };
  const ca = await pem("authority.pem");
  return new Promise((resolve) => {
    const sent = request(`${url}/readyz`, { agent: false, ca, ...own }, (response) => {
      const { socket } = response as unknown as { socket: { getPeerCertificate(): { subject?: { CN?: string } } } };
      const server = socket.getPeerCertificate().subject?.CN ?? "";
      response.on("end", () => resolve({ status: response.statusCode ?? 0, server })).resume();
    });
    sent.on("error", () => resolve(null));
    sent.end();
  });
}

test("A node shows its certificate, and follows one that is put in its place", async ({ folder }) => {
  await onNode(settings(folder), async ({ node: { url } }) => {
    assert.match(url, /^https:/);
    assert.equal(await ready(url, null), { status: 200, server: "server" });
    await put(folder, "next-server");
    await until("the next certificate is shown", async () => (await ready(url, null))?.server === "next-server");
  });
});

test("With an authority of clients only those with its certificates get in", async ({ folder }) => {
  await writeFile(join(folder, "clients.pem"), await pem("authority.pem"));
  await onNode({ ...settings(folder), KENNEL_TLS_CLIENT_CA_FILE: join(folder, "clients.pem") }, async ({ node: { url } }) => {
    assert.is((await ready(url, "client"))?.status, 200);
    assert.equal([await ready(url, null), await ready(url, "strange-client")], [null, null]);
  });
});

test("Files that are missing, are none or do not belong together refuse the start by their settings' names", async ({ folder }) => {
  const refused = async (changes: Readonly<Record<string, string>>) => {
    try {
      await onNode({ ...settings(folder), ...changes }, async () => assert.unreachable("it has started"));
    } catch (thrown) {
      assert.not.match((thrown as Error).message, folder);
      return (thrown as Error).message;
    }
    return "";
  };
  assert.match(await refused({ KENNEL_TLS_KEY_FILE: join(folder, "none") }), "Cannot read the file that tls.keyFile names (ENOENT)");
  await writeFile(join(folder, "text"), "no key");
  assert.match(await refused({ KENNEL_TLS_KEY_FILE: join(folder, "text") }), "tls.keyFile names holds nothing in PEM");
  await copyFile(new URL("client.key", CERTIFICATES), join(folder, "other.key"));
  assert.match(await refused({ KENNEL_TLS_KEY_FILE: join(folder, "other.key") }), "cannot be used together");
  const wrong = (environment: Record<string, string>) => () =>
    loadConfig({ environment, readFile: () => null, hostName: () => "h", workingFolder: "/srv" });
  assert.throws(wrong({ KENNEL_TLS_CERT_FILE: "a" }), /tls.keyFile belong together/);
  assert.throws(wrong({ KENNEL_TLS_CLIENT_CA_FILE: "a" }), /tls.clientCaFile is set/);
});

test.run();
