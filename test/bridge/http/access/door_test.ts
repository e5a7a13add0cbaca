/** Pages of elsewhere: names that were made to lead here, and forms that ask for no leave. */
import { request } from "node:http";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Door } from "../../../../bridge/http/access/door.ts";
import { KennelError } from "../../../../runtime/errors.ts";
import { startTestServer, type TestServer } from "../bridge_fixture.ts";
import { call } from "../client.ts";

const test = suite<{ server: TestServer }>("the door");
const hosts = { hostNames: new Set(["localhost", "kennel.example.com"]), takesAddresses: false };

test.before(async (state) => {
  state.server = await startTestServer({ hosts });
  await call(state.server.url, "PUT", "/v1/collections/docs");
});
test.after(({ server }) => server.stop());

interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Headers that `fetch` would not send. */
function send({ port }: TestServer, { method = "GET", path = "/v1/collections", headers, body }: Sent) {
  return new Promise<{ status: number; param: string | null; headers: Readonly<Record<string, unknown>> }>((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", port, method, path, headers }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (piece: string) => {
        text += piece;
      });
      response.on("end", () => {
        const status = response.statusCode ?? 0;
        const param = status === 403 ? (JSON.parse(text).error.param as string | null) : null;
        resolve({ status, param, headers: response.headers });
      });
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

test("A request by a name that is not this node's is refused on every route, one by its names is answered", async ({ server }) => {
  const own = [
    "localhost",
    "LocalHost:7400",
    "127.0.0.1",
    "127.0.0.1:7400",
    "127.9.9.9",
    "[::1]:7400",
    "kennel.example.com.",
    "kennel.example.com:443",
  ];
  for (const host of own) assert.is((await send(server, { headers: { host } })).status, 200, host);
  for (const host of ["evil.example", "localhost.evil.example", "xlocalhost", "10.0.0.1", "example.com", "127.0.0.1.evil.example", "[::2]"])
    for (const path of ["/v1/collections", "/", "/openapi.json", "/metrics", "/nowhere"]) {
      const { status, param } = await send(server, { path, headers: { host } });
      assert.equal([status, param], [403, "Host"], `${host} ${path}`);
    }
});

test("Another page's form, upload or call that changes something is refused before anything is done", async ({ server }) => {
  const form =
    '--x\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\nplanted\r\n--x--\r\n';
  const sent = { method: "POST", path: "/v1/collections/docs/documents", body: form };
  const type = { host: `127.0.0.1:${server.port}`, "content-type": "multipart/form-data; boundary=x" };
  const before = server.node.jobs.size;
  const foreign = ["https://evil.example", "null", `https://127.0.0.1:${server.port + 1}`, "http://localhost:1"];
  for (const origin of foreign) {
    const { status, param } = await send(server, { ...sent, headers: { ...type, origin } });
    assert.equal([status, param], [403, "Origin"], origin);
  }
  const crossSite = { ...type, origin: `http://127.0.0.1:${server.port}`, "sec-fetch-site": "cross-site" };
  assert.is((await send(server, { ...sent, headers: crossSite })).status, 403, "the browser itself says that it is another page");
  assert.is(server.node.jobs.size, before);
  for (const method of ["PUT", "DELETE"])
    assert.is(
      (await send(server, { method, path: "/v1/collections/docs", headers: { ...type, origin: "https://evil.example" } })).status,
      403,
    );

  const own: Readonly<Record<string, string>>[] = [
    {},
    { origin: `http://127.0.0.1:${server.port}` },
    { origin: `https://127.0.0.1:${server.port}` },
    { origin: "https://behind.a.proxy", "sec-fetch-site": "same-origin" },
    { origin: "https://app.example.com" }, // http.corsOrigins
  ];
  for (const headers of own)
    assert.is((await send(server, { ...sent, headers: { ...type, ...headers } })).status, 202, JSON.stringify(headers));
});

test("Pages read what they may (CORS) and no more, and answers differ by origin for caches, too", async ({ server }) => {
  const host = `127.0.0.1:${server.port}`;
  const foreign = await send(server, { headers: { host, origin: "https://evil.example" } });
  assert.equal([foreign.status, foreign.headers["access-control-allow-origin"], foreign.headers.vary], [200, undefined, "origin"]);
  const allowed = await send(server, { headers: { host, origin: "https://app.example.com" } });
  assert.equal([allowed.headers["access-control-allow-origin"], allowed.headers.vary], ["https://app.example.com", "origin"]);
  assert.is(allowed.headers["access-control-allow-credentials"], undefined);
  const file = await send(server, { path: "/openapi.json", headers: { host, origin: "https://app.example.com" } });
  assert.is(file.headers.vary, "accept-encoding, origin");
});

test("Names in Host headers are remembered up to a bound, and what is refused never", () => {
  const door = new Door({ ...hosts, corsOrigins: [] });
  const check = (host: string) => {
    const headers = { get: (name: string) => (name === "host" ? host : null), has: () => false, isRepeated: () => false };
    const signal = new AbortController().signal;
    door.check({ method: "GET", target: "/", headers, peer: null, signal, read: () => new Uint8Array(0) }, "/");
  };
  for (let port = 1; port < 2_000; port++) check(`localhost:${port}`);
  for (let turn = 0; turn < 3; turn++)
    assert.throws(
      () => check("evil.example"),
      (thrown: unknown) => thrown instanceof KennelError,
    );
  const anywhere = new Door({ hostNames: new Set(["a.example"]), takesAddresses: true, corsOrigins: [] });
  assert.ok(anywhere);
});

test.run();
