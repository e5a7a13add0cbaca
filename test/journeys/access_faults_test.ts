/** What strangers, careless callers and slow clients do to a node that asks for keys. */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runCommand } from "../bridge/cli/command_run.ts";
import { type KennelProcess, startKennel } from "../support/kennel_process.ts";
import { Caller, until } from "./caller.ts";
import { onNode } from "./node_rig.ts";

const test = suite("access under attack");
const CANARY = "c4n4ry";
const REQUIRED = { KENNEL_AUTH: "required", KENNEL_KEYS_CHECK_MS: "100" };
const AUDITED = { ...REQUIRED, KENNEL_AUDIT_TO: "file" };

async function makeKey(dataDir: string, ...options: string[]): Promise<string> {
  const environment = { KENNEL_DATA_DIR: dataDir };
  const { out, err, exitCode } = await runCommand(["keys", "create", "--name", "t", "--collections", "*", ...options], { environment });
  assert.is(exitCode, 0, err);
  return out;
}

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
const statusOf = async (url: string, key: string) => (await fetch(`${url}/v1/collections`, { headers: bearer(key) })).status;

async function auditLines(dataDir: string): Promise<Record<string, unknown>[]> {
  const text = await readFile(join(dataDir, "audit", "audit.log"), "utf8").catch(() => "");
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

test("Expired, revoked, wrong, cut and oversized keys are refused with the same words, and the audit log has each", async () => {
  await onNode(AUDITED, async ({ node: { url }, dataDir }) => {
    const good = await makeKey(dataDir, "--scope", "write");
    const expired = await makeKey(dataDir, "--scope", "write");
    const revoked = await makeKey(dataDir, "--scope", "write");
    const idOf = (key: string) => key.split("_")[1] ?? "";
    const file = join(dataDir, "keys.json");
    const kept = JSON.parse(await readFile(file, "utf8")) as {
      keys: { id: string; expires_at: string | null; revoked_at: string | null }[];
    };
    for (const record of kept.keys) {
      if (record.id === idOf(expired)) record.expires_at = "2020-01-01T00:00:00.000Z";
      if (record.id === idOf(revoked)) record.revoked_at = "2020-01-01T00:00:00.000Z";
    }
    await writeFile(file, JSON.stringify(kept));
    await until("the good key is taken", async () => (await statusOf(url, good)) === 200);
    const bad: Record<string, string> = {
      expired,
      revoked,
      wrong: `${good.slice(0, -2)}${good.at(-2) === "A" ? "B" : "A"}${good.at(-1)}`,
      cut: good.slice(0, -1),
      longer: `${good}A`,
      oversized: "k".repeat(8_000),
      empty: "",
    };
    const said = new Set<string>();
    for (const [name, key] of Object.entries(bad)) {
      const answer = await fetch(`${url}/v1/collections/x`, { method: "PUT", headers: { ...bearer(key), "x-request-id": `bad-${name}` } });
      assert.equal([answer.status, answer.headers.get("www-authenticate")], [401, "Bearer"], name);
      said.add(await answer.text());
    }
    assert.is(said.size, 1, [...said].join("\n"));
    const tooLarge = await fetch(`${url}/v1/collections`, { headers: bearer("k".repeat(20_000)) });
    assert.is(tooLarge.status, 431);
    await until("refusals are written down", async () => {
      const ids = new Set((await auditLines(dataDir)).filter(({ reason }) => reason === "key").map(({ requestId }) => requestId));
      return Object.keys(bad).every((name) => ids.has(`bad-${name}`));
    });
  });
});

test("Who changed what, and who was refused, stands in the audit log by the key's id; what was asked does not", async () => {
  await onNode(AUDITED, async ({ node: { url }, caller, dataDir }) => {
    const [writer, reader] = [await makeKey(dataDir, "--scope", "write"), await makeKey(dataDir, "--scope", "read")];
    await until("keys are taken", async () => (await statusOf(url, reader)) === 200);
    const as = (key: string, id: string) => ({ ...bearer(key), "x-request-id": id });
    await caller.must("PUT", "/v1/collections/docs", {}, as(writer, "made"));
    await caller.must("POST", "/v1/collections/docs/search", { query: CANARY }, as(reader, "asked"));
    assert.is((await caller.send("PUT", "/v1/collections/docs", {}, as(reader, "not-made"))).status, 403);
    assert.is((await caller.send("PUT", "/v1/mode", { mode: null }, as(writer, "not-forced"))).status, 403);
    assert.is((await caller.send("DELETE", "/v1/collections/none", undefined, as(writer, "nothing"))).status, 404);
    const idOf = (key: string) => key.split("_")[1];
    let lines: Record<string, unknown>[] = [];
    await until("all is written down", async () => {
      lines = await auditLines(dataDir);
      return lines.some(({ requestId }) => requestId === "nothing");
    });
    const by = (id: string) => {
      const line = lines.find(({ requestId }) => requestId === id);
      return [line?.event, line?.keyId, line?.method, line?.target, line?.status, line?.outcome, line?.reason];
    };
    assert.equal(by("made"), ["write", idOf(writer), "PUT", "/v1/collections/docs", 201, "done", null]);
    assert.equal(by("not-made"), ["write", idOf(reader), "PUT", "/v1/collections/docs", 403, "refused", "grant"]);
    assert.equal(by("not-forced"), ["admin", idOf(writer), "PUT", "/v1/mode", 403, "refused", "grant"]);
    assert.equal(by("nothing"), ["write", idOf(writer), "DELETE", "/v1/collections/none", 404, "failed", null]);
    assert.not.ok(
      lines.some(({ requestId }) => requestId === "asked"),
      "reading leaves no line",
    );
    assert.ok(lines.some(({ event, added }) => event === "keys" && (added as string[]).includes(idOf(reader) ?? "")));
    assert.not.match(JSON.stringify(lines), CANARY);
    assert.match((await caller.must<{ status: string }>("GET", "/healthz")).status, "ok");
  });
});

/** Sends bytes as they are; resolves with what came back once the server has closed. */
function raw(url: string, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(url).port), "127.0.0.1", () => socket.write(text));
    let received = "";
    socket.setEncoding("utf8").on("data", (piece: string) => {
      received += piece;
    });
    socket.on("close", () => resolve(received)).on("error", reject);
  });
}

async function withProcess(
  env: Record<string, string>,
  work: (node: KennelProcess, dataDir: string, caller: Caller) => Promise<void>,
): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "kennel-attacked-"));
  const dataDir = join(folder, "data");
  const node = await startKennel({ KENNEL_PROFILE: "test", KENNEL_LOG_LEVEL: "trace", KENNEL_DATA_DIR: dataDir, ...AUDITED, ...env });
  try {
    await work(node, dataDir, new Caller(node.url));
  } finally {
    await node.stop();
    await rm(folder, { recursive: true, force: true });
  }
  return node.output();
}

test("What is planted in paths, headers, ids and bodies makes no header and no line of a log", async () => {
  const planted = ["%0d%0aX-Planted:%201", "%0A%7B%22level%22%3A60%7D", "%E2%80%A8", "%1b%5B31m"];
  const output = await withProcess({}, async (node, dataDir, caller) => {
    const key = await makeKey(dataDir, "--scope", "admin");
    await until("the key is taken", async () => (await statusOf(node.url, key)) === 200);
    await caller.must("PUT", "/v1/collections/docs", {}, bearer(key));
    const paths = planted.flatMap((text) => [
      `/v1/collections/${text}`,
      `/v1/collections/docs/documents/${text}`,
      `/v1/jobs/${text}`,
      `/${text}`,
      `/v1/collections?after=${text}`,
    ]);
    for (const path of paths)
      for (const method of ["GET", "DELETE", "PUT"]) {
        const head = `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${key}\r\nX-Request-Id: a\tb"}{\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`;
        const answer = await raw(node.url, head);
        assert.not.match(answer.split("\r\n\r\n", 1)[0] ?? "", /^x-planted/im, path);
      }
    const id = 'a\r\nX-Planted: 1\n{"audit":true}';
    const refused = await caller.send("POST", "/v1/collections/docs/documents", { documents: [{ id, text: id }] }, bearer(key));
    assert.is(refused.status, 400);
    for (const head of [
      "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: b\nX-Planted: 1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "GET /\r\nX-Planted: 1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n",
    ])
      assert.match(await raw(node.url, head.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")), /^HTTP\/1\.1 (400|200)/);
    const audited = await auditLines(dataDir); // each line is JSON
    assert.ok(
      audited.length > 0 &&
        audited.every(({ audit, event }) => audit === true && ["write", "admin", "refused", "keys"].includes(String(event))),
    );
  });
  for (const line of output.split("\n")) {
    if (!line.startsWith("{")) assert.not.match(line, /planted|"level":60/i, "nothing planted begins a line");
    else assert.is(JSON.parse(line).node !== undefined, true);
  }
});

test("Secrets of the configuration and of callers are in no log, audit line, error, metric, page or status", async () => {
  const environment = {
    KENNEL_CHAT: "openai:test",
    OPENAI_API_KEY: `sk-${CANARY}-openai`,
    OPENAI_BASE_URL: "http://127.0.0.1:9/v1",
    KENNEL_RERANK_URL: "http://127.0.0.1:9/rerank",
    KENNEL_RERANK_API_KEY: `${CANARY}-rerank`,
    KENNEL_NATS_URL: `nats://kennel:${CANARY}-nats@127.0.0.1:9`,
    KENNEL_REDIS_URL: `redis://kennel:${CANARY}-redis@127.0.0.1:9`,
  };
  const shown: string[] = [];
  let secret = "";
  const output = await withProcess(environment, async (node, dataDir, caller) => {
    const key = await makeKey(dataDir, "--scope", "admin");
    secret = key.slice(-43);
    await until("the key is taken", async () => (await statusOf(node.url, key)) === 200);
    const ask = async (method: string, path: string, body?: unknown, headers: Record<string, string> = bearer(key)) => {
      const type = body === undefined ? {} : { "content-type": "application/json" };
      const answer = await fetch(`${node.url}${path}`, {
        method,
        headers: { ...type, ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      shown.push(`${method} ${path.replaceAll(key, "")}`, JSON.stringify([...answer.headers]), await answer.text());
    };
    await caller.must("PUT", "/v1/collections/docs", { share_answers: true }, bearer(key));
    await ask("POST", "/v1/collections/docs/search", { query: "x", rerank: true });
    await ask("POST", "/v1/chat/completions", { model: "docs", messages: [{ role: "user", content: "x?" }] });
    await ask("POST", "/v2/rerank", { query: "x", documents: ["a", "b"] });
    // Careless callers.
    await ask("GET", `/v1/collections?api_key=${key}`, undefined, {});
    await ask("GET", `/nowhere?api_key=${key}`, undefined, {});
    await ask("GET", "/v1/collections", undefined, { "x-request-id": key });
    await ask("GET", "/v1/collections", undefined, { authorization: `Basic ${key}`, "x-api-key": key });
    await ask("GET", "/v1/collections", undefined, { authorization: `Bearer ${key}x` });
    await ask("DELETE", "/v1/collections/docs", undefined, { authorization: `Token ${key}` });
    await ask("PUT", "/v1/mode", { mode: CANARY.length });
    for (const path of ["/", "/v1/status", "/metrics", "/openapi.json", "/docs", "/readyz", "/v1/models", "/v1/collections"])
      await ask("GET", path);
    await fetch(`${node.url}/v1/files/${key}`, { method: "DELETE", headers: bearer(key) }).then((answer) => answer.text());
    const printed = await runCommand(["config", "print"], { environment: { ...environment, KENNEL_DATA_DIR: dataDir } });
    shown.push(printed.out, printed.err);
    await until("the audit log has the last one", async () =>
      (await auditLines(dataDir)).some(({ target }) => String(target).startsWith("/v1/files/")),
    );
    for (const name of await readdir(dataDir, { recursive: true }))
      if (/\.(json|log|log\.\d+)$/.test(name)) shown.push(name, await readFile(join(dataDir, name), "utf8"));
  });
  assert.ok(output.includes('"level":20'), "the log has every level");
  for (const text of [...shown, output]) {
    assert.not.match(text, CANARY);
    assert.not.match(text, secret);
  }
});

const IDLE = 1_000;
const SLOW = 50;

test("A thousand idle connections and fifty that dribble hold up nobody, and those that dribble are closed", async () => {
  await onNode({ KENNEL_HTTP_HEADERS_TIMEOUT_MS: "5000", KENNEL_HTTP_REQUEST_TIMEOUT_MS: "6000" }, async ({ node: { url }, caller }) => {
    await caller.makeCollection("docs");
    await caller.addDocuments("docs", [{ id: "heron", text: "Herons nest in colonies." }]);
    const sockets: Socket[] = [];
    let dribble: ReturnType<typeof setInterval> | undefined;
    const open = (hello: string) =>
      new Promise<{ readonly socket: Socket; readonly answer: Promise<string> }>((resolve, reject) => {
        const socket = connect(Number(new URL(url).port), "127.0.0.1", () => socket.write(hello, () => resolve({ socket, answer })));
        socket.setEncoding("utf8").on("error", reject);
        let text = "";
        const answer = new Promise<string>((settle) => {
          socket.on("data", (piece: string) => {
            text += piece;
            if (text.includes('"ok"}')) settle(text);
          });
          socket.on("close", () => settle(text));
        });
        sockets.push(socket);
      });
    try {
      for (let turn = 0; turn < IDLE; turn += 100) {
        const some = await Promise.all(Array.from({ length: 100 }, () => open("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")));
        for (const { answer } of some) assert.match(await answer, "200");
      }
      const dribbling = await Promise.all(
        Array.from({ length: SLOW }, (_, turn) =>
          open(
            turn % 2 === 0
              ? "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A:"
              : "POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{",
          ),
        ),
      );
      dribble = setInterval(() => {
        for (const { socket } of dribbling) if (socket.writable) socket.write("a");
      }, 200);
      for (let turn = 0; turn < 30; turn++) assert.equal(await caller.found("docs", { query: `where do herons nest ${turn}?` }), ["heron"]);
      for (const { answer } of dribbling) assert.match(await answer, /^HTTP\/1\.1 (408|401)/);
      assert.is(
        sockets.filter(({ destroyed, readyState }) => !destroyed && readyState === "open").length >= IDLE,
        true,
        "idle ones are let be",
      );
      assert.is((await caller.send("GET", "/readyz")).status, 200);
    } finally {
      clearInterval(dribble);
      for (const socket of sockets) socket.destroy();
    }
  });
});

test.run();
