// Keys as NATS' own users: servers that ask a node who may connect, clients and the stock command that show a key.
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { createAccount, createCurve } from "@nats-io/jwt";
import { type ConnectionOptions, type Msg, headers as natsHeaders } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { NatsServer } from "../../../tooling/servers/nats.ts";
import { connectClient } from "../../../transport/nats/client.ts";
import { runCommand } from "../../bridge/cli/command_run.ts";
import { onNode } from "../../journeys/node_rig.ts";
import { natsCommandPath } from "../../support/services.ts";
import { startServer, until, WAIT_MS } from "./nats_rig.ts";

const test = suite("auth callout");
const run = promisify(execFile);

interface Rig {
  readonly server: NatsServer;
  readonly url: string;
  readonly dataDir: string;
  key(scope: string, ...options: string[]): Promise<string>;
}

interface Sealing {
  /** Public key that the server seals for; empty: it seals nothing. */
  readonly server: string;
  /** Settings of the node. */
  readonly node: Readonly<Record<string, string>>;
}

/** A server that lets in its nodes by password and asks them about all others. */
async function onCallout(work: (rig: Rig) => Promise<void>, sessionMs = 600_000, sealing: Sealing | null = null): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "kennel-callout-"));
  const account = createAccount();
  await writeFile(join(folder, "issuer.seed"), account.getSeed(), { mode: 0o600 });
  const configuration = `authorization {
    timeout: 10
    users: [{ user: kennel, password: node }]
    auth_callout { issuer: "${account.getPublicKey()}", auth_users: [kennel]${sealing === null || sealing.server === "" ? "" : `, xkey: ${sealing.server}`} }
  }`;
  const server = await startServer({ configuration });
  const settings = {
    KENNEL_NATS_URL: `nats://kennel:node@${server.address}`,
    KENNEL_NATS_CALLOUT_SEED_FILE: join(folder, "issuer.seed"),
    KENNEL_NATS_CALLOUT_SESSION_MS: String(sessionMs),
    KENNEL_NODE_NAME: "n1",
    KENNEL_AUTH: "required",
    KENNEL_KEYS_CHECK_MS: "100",
    KENNEL_AUDIT_TO: "file",
    ...sealing?.node,
  };
  try {
    await onNode(settings, async ({ node: { url }, dataDir }) => {
      const key = async (scope: string, ...options: string[]) => {
        const environment = { KENNEL_DATA_DIR: dataDir };
        const argv = ["keys", "create", "--name", "t", "--scope", scope, "--collections", "pets", ...options];
        const { out, err } = await runCommand(argv, { environment });
        assert.match(out, /^kennel_/, err);
        await until("the node takes the key", async () => {
          const list = await fetch(`${url}/v1/collections`, { headers: { authorization: `Bearer ${out}` } });
          return list.status === 200;
        });
        return out;
      };
      await work({ server, url, dataDir, key });
    });
  } finally {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

const idOf = (key: string) => key.split("_")[1] ?? "";
const connectAs = ({ server }: Rig, key: string, how: ConnectionOptions) =>
  connectClient({ servers: server.address, inboxPrefix: `_INBOX.${idOf(key)}`, reconnect: false, timeout: WAIT_MS, ...how });

test("A key as token or as password lets in for what its scope allows; wrong, cut, expired and revoked ones do not", async () => {
  await onCallout(async (rig) => {
    const [reader, writer] = [await rig.key("read"), await rig.key("write")];
    await fetch(`${rig.url}/v1/collections/pets`, { method: "PUT", headers: { authorization: `Bearer ${writer}` } });
    const ask = async (key: string, how: ConnectionOptions, subject: string, body: object) => {
      const client = await connectAs(rig, key, how);
      try {
        const headers = natsHeaders();
        headers.set("Authorization", `Bearer ${key}`);
        const reply = await client.request(subject, JSON.stringify(body), { timeout: WAIT_MS, headers });
        return reply.headers?.get("Nats-Service-Error-Code") || "answered";
      } catch (thrown) {
        return (thrown as { code?: string }).code ?? String(thrown);
      } finally {
        await client.close();
      }
    };
    const question = { query: "dogs" };
    const documents = { documents: [{ id: "a", text: "a dog" }] };
    for (const how of [{ token: reader }, { user: "anyone", pass: reader }])
      assert.is(await ask(reader, how, "kennel.v1.search.pets", question), "answered");
    assert.is(await ask(reader, { token: reader }, "kennel.v1.at.n1.search.pets", question), "answered");
    assert.is(await ask(reader, { token: reader }, "kennel.v1.at.n1.search.secret", question), "403");
    assert.is(await ask(reader, { token: reader }, "kennel.v1.search.secret", question), "403", "collections are the header's");
    assert.is(await ask(reader, { token: reader }, "kennel.v1.ingest.pets", documents), "PERMISSIONS_VIOLATION");
    assert.is(await ask(reader, { token: reader }, "kennel.v1.node.x.search", question), "PERMISSIONS_VIOLATION");
    assert.is(await ask(writer, { token: writer }, "kennel.v1.ingest.pets", documents), "answered");

    const expired = await rig.key("read");
    const revoked = await rig.key("read");
    const file = join(rig.dataDir, "keys.json");
    const kept = JSON.parse(await readFile(file, "utf8"));
    for (const record of kept.keys) if (record.id === idOf(expired)) record.expires_at = "2020-01-01T00:00:00.000Z";
    await writeFile(file, JSON.stringify(kept));
    await runCommand(["keys", "revoke", idOf(revoked)], { environment: { KENNEL_DATA_DIR: rig.dataDir } });
    const isRefused = async (how: ConnectionOptions) => {
      const client = await connectAs(rig, reader, how).catch((thrown: { code: string }) => thrown.code);
      if (typeof client !== "string") await client.close();
      return client === "AUTHORIZATION_VIOLATION";
    };
    await until("the node follows", async () => (await isRefused({ token: expired })) && (await isRefused({ token: revoked })));
    const bad = [
      {},
      { token: "" },
      { token: reader.slice(0, -1) },
      { token: `${reader}A` },
      { user: "kennel", pass: "wrong" },
      { token: "k".repeat(2_000) },
      { user: idOf(reader), pass: "x" },
    ];
    for (const how of bad) assert.ok(await isRefused(how), JSON.stringify(how).slice(0, 60));
    await until("refusals are in the audit log", async () => {
      const lines = (await readFile(join(rig.dataDir, "audit", "audit.log"), "utf8")).split("\n");
      const connects = lines.filter((line) => line.includes('"method":"CONNECT"') && line.includes('"reason":"key"'));
      assert.not.match(lines.join("\n"), reader.slice(20));
      return connects.length >= bad.length;
    });
  });
});

test("A key's holder hears nothing of others' inboxes, nor of what nodes say to one another", async () => {
  await onCallout(async (rig) => {
    const [key, other] = [await rig.key("read"), await rig.key("read")];
    const client = await connectAs(rig, key, { token: key });
    const refused: string[] = [];
    void (async () => {
      for await (const { permissionContext } of client.status())
        if (permissionContext !== undefined) refused.push(permissionContext.subject);
    })();
    const subjects = ["_INBOX.>", `_INBOX.${idOf(other)}.>`, "kennel.v1.>", ">", "$SYS.REQ.USER.AUTH"];
    for (const subject of subjects) client.subscribe(subject, { callback: () => undefined });
    await until("each is refused", () => subjects.every((subject) => refused.includes(subject)));
    await client.close();
  });
});

test("No answer goes where the node may publish and its asker may not", async () => {
  await onCallout(async (rig) => {
    const key = await rig.key("read");
    const node = await connectClient({ servers: rig.server.address, user: "kennel", pass: "node", timeout: WAIT_MS });
    const manager = await node.jetstreamManager();
    await manager.streams.add({ name: "ORDERS", subjects: ["orders"] });
    await node.jetstream().publish("orders", "one");
    await manager.streams.add({ name: "OTHERS", subjects: ["invoices.>"] });
    await manager.streams.add({ name: "KV_settings", subjects: ["$KV.settings.>"] });
    const overheard: string[] = [];
    node.subscribe("kennel.v1.events.>", { callback: (_error, { subject }) => overheard.push(subject) });
    await node.flush();

    const client = await connectAs(rig, key, { token: key });
    const headers = natsHeaders();
    headers.set("Authorization", `Bearer ${key}`);
    const asked = ["search.pets", "chat.pets", "jobs.0", "status", "schema"].map((name) => `kennel.v1.${name}`);
    const subjects = [...asked, "$SRV.PING", "$SRV.INFO.kennel", "$SRV.STATS"];
    for (const subject of subjects)
      for (const reply of [
        "$JS.API.STREAM.PURGE.ORDERS",
        "$JS.API.STREAM.DELETE.ORDERS",
        "$KV.settings.mode",
        "kennel.v1.events.x",
        "invoices.new",
      ])
        client.publish(subject, '{"query":"dogs"}', { headers, reply });
    // Each question that may be answered is, after those before it.
    for (const subject of subjects) await client.request(subject, '{"query":"dogs"}', { timeout: WAIT_MS, headers });
    const messagesOf = async (stream: string) => (await manager.streams.info(stream)).state.messages;
    assert.is(await messagesOf("ORDERS"), 1);
    assert.is(await messagesOf("KV_settings"), 0);
    assert.is(await messagesOf("OTHERS"), 0, "another application's");
    assert.equal(overheard, []);
    await client.close();
    await node.close();
  });
});

test("A message that cannot be read is answered, whatever it calls itself", async () => {
  await onCallout(async (rig) => {
    const key = await rig.key("read");
    const client = await connectAs(rig, key, { token: key });
    const headers = natsHeaders();
    headers.set("X-Request-Id", "a-b");
    // A lone line end gets through NATS' protocol; the client's own check is for who sends by it.
    (headers as unknown as { headers: Map<string, string[]> }).headers.set("X-Request-Id", ["a\nb"]);
    const reply = await client.request("kennel.v1.search", "no JSON", { timeout: WAIT_MS, headers });
    assert.is(reply.headers?.get("Nats-Service-Error-Code"), "400");
    assert.is(reply.headers?.get("X-Request-Id"), "");
    await client.close();
  });
});

test("A connection ends with its session, and its client comes back only while its key is good", async () => {
  await onCallout(async (rig) => {
    const key = await rig.key("read");
    const client = await connectAs(rig, key, {
      token: key,
      reconnect: true,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 100,
      ignoreAuthErrorAbort: true,
    });
    const seen: string[] = [];
    void (async () => {
      for await (const { type } of client.status()) seen.push(type);
    })();
    await until("the session has ended and the client is back", () => seen.includes("disconnect") && seen.includes("reconnect"));
    await runCommand(["keys", "revoke", idOf(key)], { environment: { KENNEL_DATA_DIR: rig.dataDir } });
    const before = seen.filter((type) => type === "reconnect").length;
    const disconnects = () => seen.filter((type) => type === "disconnect").length;
    const ended = disconnects();
    await until("the next session has ended", () => disconnects() > ended);
    await until("it was refused", async () => {
      const lines = await readFile(join(rig.dataDir, "audit", "audit.log"), "utf8");
      return lines.includes('"method":"CONNECT"');
    });
    assert.is(seen.filter((type) => type === "reconnect").length, before);
    await client.close();
  }, 3_000);
});

/** Questions that the server asks while it decides about a client that shows this key, and whether it lets it in. */
async function questionsOf(rig: Rig, key: string): Promise<{ readonly isIn: boolean; readonly questions: readonly Msg[] }> {
  const listener = await connectClient({ servers: rig.server.address, user: "kennel", pass: "node", timeout: WAIT_MS });
  const questions: Msg[] = [];
  listener.subscribe("$SYS.REQ.USER.AUTH", { callback: (_error, message) => void questions.push(message) });
  await listener.flush();
  const client = await connectAs(rig, key, { token: key }).catch(() => null);
  await client?.close();
  await listener.close();
  return { isIn: client !== null, questions };
}

/** What a question tells whoever hears it. */
const claimsOf = (question: Msg | undefined) => Buffer.from(question?.string().split(".")[1] ?? "", "base64url").toString();

test("Servers that are given an xkey seal their questions, and nodes with its seed answer them sealed; who listens hears no key", async () => {
  const pair = createCurve();
  const node = { KENNEL_NATS_CALLOUT_XKEY_SEED: new TextDecoder().decode(pair.getSeed()) };
  const work = async (rig: Rig) => {
    const key = await rig.key("read");
    const { isIn, questions } = await questionsOf(rig, key);
    assert.ok(isIn);
    assert.is(questions.length, 1);
    const [question] = questions;
    assert.match(question?.string() ?? "", /^xkv1/);
    assert.match(question?.headers?.get("Nats-Server-Xkey") ?? "", /^X/);
    assert.not.match(`${question?.string()} ${claimsOf(question)}`, key.slice(20));
    assert.is((await questionsOf(rig, `${key.slice(0, -1)}~`)).isIn, false);
    // What was heard can't be asked again: servers let no client ask there, not even a node.
    const client = await connectClient({ servers: rig.server.address, user: "kennel", pass: "node", timeout: WAIT_MS });
    const again = client.request("$SYS.REQ.USER.AUTH", question?.data, { timeout: WAIT_MS });
    assert.is(await again.catch((thrown: { code: string }) => thrown.code), "PERMISSIONS_VIOLATION");
    await client.close();
  };
  await onCallout(work, 600_000, { server: pair.getPublicKey(), node });
});

test("A node without the seed, or with another, lets nobody in; one with it also answers servers that do not seal yet", async () => {
  const [pair, other] = [createCurve(), createCurve()];
  const seedOf = (of: typeof pair) => ({ KENNEL_NATS_CALLOUT_XKEY_SEED: new TextDecoder().decode(of.getSeed()) });
  const refused = async (rig: Rig) => assert.is((await questionsOf(rig, await rig.key("read"))).isIn, false);
  for (const node of [{}, seedOf(other)]) await onCallout(refused, 600_000, { server: pair.getPublicKey(), node });
  await onCallout(
    async (rig) => {
      const key = await rig.key("read");
      const { isIn, questions } = await questionsOf(rig, key);
      assert.ok(isIn);
      assert.match(claimsOf(questions[0]), key, "which is why they are sealed");
    },
    600_000,
    { server: "", node: seedOf(pair) },
  );
});

test("NATS' own command asks with a key as its token or its password", async () => {
  await onCallout(async (rig) => {
    const [reader, writer] = [await rig.key("read"), await rig.key("write")];
    await fetch(`${rig.url}/v1/collections/pets`, { method: "PUT", headers: { authorization: `Bearer ${writer}` } });
    const nats = (key: string, login: readonly string[], timeout: string, ...rest: string[]) =>
      run(natsCommandPath(), [
        "--server",
        rig.server.url,
        "--inbox-prefix",
        `_INBOX.${idOf(key)}`,
        ...login,
        "--timeout",
        timeout,
        "req",
        "-H",
        `Authorization:Bearer ${key}`,
        "--raw",
        ...rest,
      ]);
    for (const login of [
      ["--token", reader],
      ["--user", "me", "--password", reader],
    ])
      assert.is(JSON.parse((await nats(reader, login, "30s", "kennel.v1.search.pets", '{"query":"dogs"}')).stdout).object, "list");
    const failed = async (ask: Promise<{ stdout: string; stderr: string }>) => {
      const { stdout, stderr } = await ask.catch((thrown: { stdout: string; stderr: string }) => thrown);
      assert.is(stdout, "");
      return stderr;
    };
    assert.match(await failed(nats(reader, ["--token", `${reader}x`], "30s", "kennel.v1.search.pets", "{}")), /Authorization Violation/i);
    assert.match(await failed(nats(reader, ["--token", reader], "2s", "kennel.v1.ingest.pets", "{}")), /Permissions Violation/i);
  });
});

test.run();
