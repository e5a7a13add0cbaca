/** Real web servers on the loopback interface; what a name leads to is decided by the test. */
import { readFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { AddressPolicy } from "../../../../actors/ingest/fetching/address_policy.ts";
import { type Resolver, UrlFetcher, type UrlFetchOptions } from "../../../../actors/ingest/fetching/url_fetcher.ts";
import { systemClock } from "../../../../runtime/clock.ts";
import { KennelError } from "../../../../runtime/errors.ts";
import { createLogger } from "../../../../telemetry/logs.ts";

const LOOPBACK = "127.0.0.1";
/** Where no test's server listens, and what clouds answer their machines' secrets at. */
const METADATA = "169.254.169.254";
const MAX_BYTES = 100_000;
const certificate = (name: string) => readFileSync(new URL(`./certificates/${name}`, import.meta.url), "utf8");

interface Web {
  readonly port: number;
  /** Host and path of each request, in order. */
  readonly asked: string[];
  answer: RequestListener;
}

const test = suite<{ web: Web; tls: Web; stop: () => Promise<void> }>("documents by URL");

async function serve(server: Server, web: Web): Promise<Web> {
  server.on("request", (request, response) => {
    web.asked.push(`${request.headers.host}${request.url}`);
    web.answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
  return Object.assign(web, { port: (server.address() as AddressInfo).port });
}

const page: RequestListener = (_request, response) => {
  response.setHeader("content-type", "text/html; charset=utf-8");
  response.end("<h1>Beagles</h1><p>They hunt hare.</p>");
};

test.before(async (context) => {
  const plain = createServer();
  const tls = createTlsServer({ key: certificate("docs_test.key"), cert: certificate("docs_test.pem") }) as unknown as Server;
  context.web = await serve(plain, { port: 0, asked: [], answer: page });
  context.tls = await serve(tls, { port: 0, asked: [], answer: page });
  context.stop = async () => {
    for (const server of [plain, tls]) {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    }
  };
});

test.before.each(({ web, tls }) => {
  for (const server of [web, tls]) {
    server.asked.length = 0;
    server.answer = page;
  }
});

test.after(({ stop }) => stop());

interface Rig {
  readonly fetcher: UrlFetcher;
  readonly outcomes: string[];
  readonly lines: Record<string, unknown>[];
  readonly resolved: string[];
}

function rigOf(ports: readonly number[], changes: Partial<UrlFetchOptions> = {}): Rig {
  const outcomes: string[] = [];
  const lines: Record<string, unknown>[] = [];
  const resolved: string[] = [];
  const resolve: Resolver = changes.resolve ?? (async () => [LOOPBACK]);
  const fetcher = new UrlFetcher({
    hosts: ["*"],
    ports,
    addresses: new AddressPolicy([`${LOOPBACK}/32`]),
    maxBytes: MAX_BYTES,
    timeoutMs: 30_000,
    maxRedirects: 5,
    maxInFlight: 2,
    maxWaiting: 1,
    maxTotalBytes: 3 * MAX_BYTES,
    ca: null,
    metrics: { fetched: (outcome) => outcomes.push(outcome) },
    logger: createLogger({ level: "info", node: "test" }, { write: (line) => lines.push(JSON.parse(line)) }),
    clock: systemClock(),
    ...changes,
    resolve: (host) => {
      resolved.push(host);
      return resolve(host);
    },
  });
  return { fetcher, outcomes, lines, resolved };
}

const fetchOne = async ({ fetcher }: Rig, url: string, signal = new AbortController().signal) =>
  (await fetcher.fetchAll([{ url, param: "urls[0]" }], { collection: "docs" }, signal))[0];

async function refusal(rig: Rig, url: string): Promise<KennelError> {
  const error = await fetchOne(rig, url).then(
    () => assert.unreachable(`${url} was fetched`),
    (thrown: unknown) => thrown,
  );
  assert.instance(error, KennelError);
  return error as KennelError;
}

test("A document is fetched with its type, and neither credentials nor cookies go along", async ({ web }) => {
  const seen: unknown[] = [];
  web.answer = (request, response) => {
    seen.push(Object.keys(request.headers).sort());
    page(request, response);
  };
  const rig = rigOf([web.port]);
  const file = await fetchOne(rig, `http://docs.test:${web.port}/guide?page=2#top`);
  assert.is(file?.mediaType, "text/html");
  assert.match(new TextDecoder().decode(file?.bytes), "They hunt hare");
  assert.equal(web.asked, [`docs.test:${web.port}/guide?page=2`]);
  assert.equal(seen, [["accept", "accept-encoding", "connection", "host", "user-agent"]]);
  assert.equal(rig.outcomes, ["fetched"]);
});

test("Each fetch leaves a line with host and outcome, and without path and query", async ({ web }) => {
  const rig = rigOf([web.port]);
  await fetchOne(rig, `http://docs.test:${web.port}/private/path?token=secret`);
  await refusal(rig, "http://docs.test:1/other");
  const [first, second] = rig.lines;
  assert.is(first?.audit, "url_fetch");
  assert.equal([first?.outcome, first?.hosts, first?.collection], ["fetched", ["docs.test"], "docs"]);
  assert.equal([second?.outcome, second?.hosts], ["port", ["docs.test"]]);
  assert.not.match(JSON.stringify(rig.lines), /secret|private/);
});

test("A host that leads to an address that is not public is not connected to", async ({ web }) => {
  for (const address of [METADATA, "10.0.0.1", "::1", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1"]) {
    const rig = rigOf([web.port], { resolve: async () => [address] });
    const error = await refusal(rig, `http://docs.test:${web.port}/`);
    assert.is(error.code, "forbidden");
    assert.is(error.param, "urls[0]");
    assert.not.match(error.message, address, "the caller learns no address");
    assert.equal(rig.outcomes, ["address"]);
  }
  assert.equal(web.asked, []);
});

test("One address of several that is not public speaks against the host", async ({ web }) => {
  const rig = rigOf([web.port], { resolve: async () => [LOOPBACK, METADATA] });
  assert.is((await refusal(rig, `http://docs.test:${web.port}/`)).code, "forbidden");
  assert.equal(web.asked, []);
});

test("Addresses are refused however they are spelled", async ({ web }) => {
  const hosts = ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "[::ffff:127.0.0.1]", "[::127.0.0.1]", "[::1]", "0", "[64:ff9b::7f00:1]"];
  const rig = rigOf([web.port], { addresses: new AddressPolicy([]) });
  for (const host of hosts) assert.is((await refusal(rig, `http://${host}:${web.port}/`)).code, "forbidden", host);
  assert.equal(rig.resolved, [], "what is an address already is not resolved");
  assert.equal(web.asked, []);
});

test("A name is resolved once, and the address that was checked is the one that is connected to", async ({ web }) => {
  const answers = [[LOOPBACK], [METADATA]];
  const rig = rigOf([web.port], { resolve: async () => answers.shift() ?? [] });
  const file = await fetchOne(rig, `http://rebinding.test:${web.port}/`);
  assert.ok(file !== undefined);
  assert.equal(rig.resolved, ["rebinding.test"]);
  assert.equal(web.asked, [`rebinding.test:${web.port}/`]);
});

test("A name that leads elsewhere after a redirect is checked anew", async ({ web }) => {
  const answers = [[LOOPBACK], [METADATA]];
  web.answer = (_request, response) => response.writeHead(302, { location: "/next" }).end();
  const rig = rigOf([web.port], { resolve: async () => answers.shift() ?? [] });
  assert.is((await refusal(rig, `http://rebinding.test:${web.port}/`)).code, "forbidden");
  assert.equal(web.asked, [`rebinding.test:${web.port}/`]);
});

test("Redirects are followed while each of them leads to where one may ask", async ({ web }) => {
  web.answer = (request, response) => {
    const hop = Number(request.url?.slice(1));
    if (hop === 5) return page(request, response);
    response.writeHead([301, 302, 303, 307, 308][hop] ?? 302, { location: `http://hop${hop + 1}.test:${web.port}/${hop + 1}` }).end();
  };
  const rig = rigOf([web.port]);
  await fetchOne(rig, `http://hop0.test:${web.port}/0`);
  assert.equal(rig.resolved, ["hop0.test", "hop1.test", "hop2.test", "hop3.test", "hop4.test", "hop5.test"]);

  const shorter = rigOf([web.port], { maxRedirects: 4 });
  assert.match((await refusal(shorter, `http://hop0.test:${web.port}/0`)).message, "more than 4 redirects");
  assert.equal(shorter.outcomes, ["redirect"]);
});

test("A redirect is refused that leads to a private address, another scheme, port or host, or nowhere", async ({ web }) => {
  const targets: Readonly<Record<string, string>> = {
    [`http://${METADATA}/latest/meta-data`]: "port",
    [`http://${METADATA}:${web.port}/latest/meta-data`]: "address",
    [`http://2852039166:${web.port}/`]: "address",
    [`http://[::ffff:a9fe:a9fe]:${web.port}/`]: "address",
    "file:///etc/passwd": "url",
    "gopher://docs.test/": "url",
    [`http://user:password@docs.test:${web.port}/`]: "url",
    [`http://elsewhere.test:${web.port}/`]: "host",
    "http://docs.test:6379/": "port",
    "http://": "redirect",
  };
  for (const [location, reason] of Object.entries(targets)) {
    web.answer = (_request, response) => response.writeHead(302, { location }).end();
    const hosts = reason === "host" ? ["docs.test"] : ["*"];
    const rig = rigOf([web.port], { hosts });
    await refusal(rig, `http://docs.test:${web.port}/`);
    assert.equal(rig.outcomes, [reason], location);
  }
});

test("What is no address of the web, or holds a password, or names another port or host, is refused before anything is asked", async ({
  web,
}) => {
  const urls: Readonly<Record<string, string>> = {
    "not a url": "invalid_request",
    "ftp://docs.test/": "invalid_request",
    "javascript:alert(1)": "invalid_request",
    [`http://user@docs.test:${web.port}/`]: "invalid_request",
    [`http://:password@docs.test:${web.port}/`]: "invalid_request",
    "http://docs.test:22/": "forbidden",
    [`http://notdocs.test:${web.port}/`]: "forbidden",
    [`http://docs.test.evil.test:${web.port}/`]: "forbidden",
    [`http://wild.test:${web.port}/`]: "forbidden",
  };
  const rig = rigOf([web.port], { hosts: ["docs.test", "*.wild.test"] });
  for (const [url, code] of Object.entries(urls)) assert.is((await refusal(rig, url)).code, code, url);
  assert.equal(rig.resolved, []);
  for (const url of [`http://docs.test:${web.port}/`, `http://DOCS.TEST.:${web.port}/`, `http://a.wild.test:${web.port}/`])
    assert.ok((await fetchOne(rig, url)) !== undefined, url);
});

test("A body that is too long is given up, whether it says so or not", async ({ web }) => {
  let sent = 0;
  web.answer = (_request, response) => {
    response.writeHead(200, { "content-type": "text/plain", "content-length": String(MAX_BYTES + 1) }).end();
  };
  const rig = rigOf([web.port]);
  assert.is((await refusal(rig, `http://docs.test:${web.port}/`)).code, "payload_too_large");
  const closed = new Promise<void>((resolve) => {
    web.answer = (_request, response) => {
      response.writeHead(200, { "content-type": "text/plain" });
      const more = () => {
        while (!response.destroyed && response.write("x".repeat(16_384))) sent += 16_384;
        if (!response.destroyed) response.once("drain", more);
      };
      response.once("close", resolve);
      more();
    };
  });
  assert.is((await refusal(rig, `http://docs.test:${web.port}/`)).code, "payload_too_large");
  await closed;
  assert.ok(sent > MAX_BYTES, "an endless body was begun, and ended by the one who reads");
});

test("A small body that unpacks to a large one is given up; one within the limit is read", async ({ web }) => {
  const packed = (bytes: number) => gzipSync(Buffer.alloc(bytes, "a"));
  const answerWith = (body: Uint8Array, encoding = "gzip") => {
    web.answer = (_request, response) => response.writeHead(200, { "content-type": "text/plain", "content-encoding": encoding }).end(body);
  };
  const rig = rigOf([web.port]);
  const bomb = packed(50_000_000);
  assert.ok(bomb.length < MAX_BYTES);
  answerWith(bomb);
  assert.is((await refusal(rig, `http://docs.test:${web.port}/`)).code, "payload_too_large");
  answerWith(packed(MAX_BYTES));
  assert.is((await fetchOne(rig, `http://docs.test:${web.port}/`))?.bytes.length, MAX_BYTES);
  answerWith(packed(1_000).subarray(0, 20));
  assert.is((await refusal(rig, `http://docs.test:${web.port}/`)).code, "unavailable");
  answerWith(packed(10), "gzip, gzip");
  assert.is((await refusal(rig, `http://docs.test:${web.port}/`)).code, "unsupported_media_type");
  assert.equal(rig.outcomes, ["too_large", "fetched", "unreachable", "encoding"]);
});

test("A body that comes too slowly, a host that never answers and a name that never resolves end at the time limit", async ({ web }) => {
  const limited = { timeoutMs: 300 };
  web.answer = (_request, response) => response.writeHead(200, { "content-type": "text/plain" }).write("a");
  const slow = rigOf([web.port], limited);
  const error = await refusal(slow, `http://docs.test:${web.port}/`);
  assert.is(error.code, "unavailable");
  assert.match(error.message, "within 300 ms");
  web.answer = () => {};
  const silent = rigOf([web.port], limited);
  await refusal(silent, `http://docs.test:${web.port}/`);
  const unresolved = rigOf([web.port], { ...limited, resolve: () => new Promise(() => {}) });
  await refusal(unresolved, `http://docs.test:${web.port}/`);
  assert.equal([...slow.outcomes, ...silent.outcomes, ...unresolved.outcomes], ["timeout", "timeout", "timeout"]);
});

test("What is no document, or no answer of 200, is refused", async ({ web }) => {
  const rig = rigOf([web.port]);
  const cases: readonly (readonly [number, string | null, string])[] = [
    [404, "text/html", "invalid_request"],
    [500, "text/html", "invalid_request"],
    [206, "text/html", "invalid_request"],
    [200, "image/png", "unsupported_media_type"],
    [200, "application/json", "unsupported_media_type"],
    [200, null, "unsupported_media_type"],
  ];
  for (const [status, type, code] of cases) {
    web.answer = (_request, response) => response.writeHead(status, type === null ? {} : { "content-type": type }).end("x");
    assert.is((await refusal(rig, `http://docs.test:${web.port}/`)).code, code, `${status} ${type}`);
  }
  web.answer = (request) => request.socket.end("SSH-2.0-OpenSSH_9.6\r\n");
  assert.is((await refusal(rig, `http://docs.test:${web.port}/`)).code, "unavailable");
  const gone = rigOf([1]);
  assert.is((await refusal(gone, "http://docs.test:1/")).code, "unavailable");
  const unknown = rigOf([web.port], { resolve: () => Promise.reject(new Error("ENOTFOUND")) });
  assert.is((await refusal(unknown, `http://nowhere.test:${web.port}/`)).code, "unavailable");
});

test("Another address of the host is tried where the first takes no connection", async ({ web }) => {
  const rig = rigOf([web.port], {
    addresses: new AddressPolicy(["127.0.0.0/8"]),
    resolve: async () => ["127.0.0.2", LOOPBACK], // nothing listens at the first
  });
  assert.ok((await fetchOne(rig, `http://docs.test:${web.port}/`)) !== undefined);
});

test("Over TLS the certificate must be the name's, not the address's, and signed by whom is trusted", async ({ tls }) => {
  const trusted = rigOf([tls.port], { ca: certificate("docs_test.pem") });
  assert.ok((await fetchOne(trusted, `https://docs.test:${tls.port}/`)) !== undefined);
  assert.is((await refusal(trusted, `https://other.test:${tls.port}/`)).code, "unavailable");
  const systems = rigOf([tls.port]);
  assert.is((await refusal(systems, `https://docs.test:${tls.port}/`)).code, "unavailable");
  tls.answer = (_request, response) => response.writeHead(302, { location: "http://docs.test/" }).end();
  const down = rigOf([tls.port, 80], { ca: certificate("docs_test.pem") });
  await refusal(down, `https://docs.test:${tls.port}/`);
  assert.equal(down.outcomes, ["redirect"]);
});

test("Text in another character set than UTF-8 is turned into it", async ({ web }) => {
  web.answer = (_request, response) =>
    response.writeHead(200, { "content-type": "text/plain; charset=ISO-8859-1" }).end(Buffer.from([0xfc]));
  assert.is(new TextDecoder().decode((await fetchOne(rigOf([web.port]), `http://docs.test:${web.port}/`))?.bytes), "ü");
});

test("Of several documents all or none are fetched, in their order, and together no more than is allowed", async ({ web }) => {
  web.answer = (request, response) => {
    response.writeHead(request.url === "/missing" ? 404 : 200, { "content-type": "text/plain" });
    response.end(request.url === "/large" ? "x".repeat(MAX_BYTES) : request.url);
  };
  const rig = rigOf([web.port]);
  const fetchAll = (...paths: readonly string[]) =>
    rig.fetcher.fetchAll(
      paths.map((path, place) => ({ url: `http://docs.test:${web.port}${path}`, param: `urls[${place}]` })),
      {},
      new AbortController().signal,
    );
  const files = await fetchAll("/0", "/1", "/2", "/3", "/4", "/5");
  assert.equal(
    files.map(({ bytes }) => new TextDecoder().decode(bytes)),
    ["/0", "/1", "/2", "/3", "/4", "/5"],
  );
  const failed = await fetchAll("/0", "/missing", "/2").catch((thrown: KennelError) => thrown);
  assert.is((failed as KennelError).param, "urls[1]");
  const large = await fetchAll("/large", "/large", "/large", "/large").catch((thrown: KennelError) => thrown);
  assert.is((large as KennelError).code, "payload_too_large");
});

test("Callers beyond those who fetch and wait are refused, and who goes away leaves no connection", async ({ web }) => {
  const open: { end(): void }[] = [];
  let connected = () => {};
  web.answer = (_request, response) => {
    open.push(response);
    connected();
  };
  const twoAsked = new Promise<void>((resolve) => {
    connected = () => open.length === 2 && resolve();
  });
  const rig = rigOf([web.port]);
  const gone = new AbortController();
  const url = `http://docs.test:${web.port}/`;
  const callers = [1, 2, 3].map(() => fetchOne(rig, url, gone.signal).catch((thrown: unknown) => thrown));
  await twoAsked;
  assert.is((await refusal(rig, url)).code, "overloaded");
  gone.abort(new KennelError("cancelled"));
  for (const outcome of await Promise.all(callers)) assert.is((outcome as KennelError).code, "cancelled");
  assert.equal(rig.outcomes, ["cancelled", "cancelled"], "the third has not begun");
});

test.run();
