import { readdir, readFile } from "node:fs/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { z } from "zod";
import { needOf } from "../../../bridge/http/access/route_needs.ts";
import { errorsOf } from "../../../bridge/http/openapi.ts";
import type { Route } from "../../../bridge/http/route.ts";
import { NDJSON_TYPE } from "../../../bridge/http/uploads.ts";
import { ERROR_TABLE, type ErrorCode } from "../../../runtime/errors.ts";
import { startTestServer } from "./bridge_fixture.ts";

interface Operation {
  readonly operationId: string;
  readonly parameters: readonly { readonly $ref?: string; readonly name: string; readonly in: string }[];
  readonly responses: Readonly<Record<string, DescribedAnswer>>;
}

interface DescribedAnswer {
  readonly description: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly content: Readonly<Record<string, Content>>;
}

interface Content {
  readonly schema: unknown;
  readonly examples?: Readonly<Record<string, { readonly value: { readonly error: { readonly code: string; readonly message: string } } }>>;
}

const server = await startTestServer();
const test = suite("OpenAPI document");
const document = (await (await fetch(`${server.url}/openapi.json`)).json()) as {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, unknown>>;
    readonly parameters: Readonly<Record<string, { readonly name: string }>>;
    readonly headers: Readonly<Record<string, unknown>>;
  };
};
const operations = Object.entries(document.paths).flatMap(([path, item]) =>
  Object.entries(item).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
);
const described = server.bridge.routes.flatMap((route) => (route.description === null ? [] : [{ route, description: route.description }]));

test.after(() => server.stop());

test("Every route that is registered is in the document, and the other way round", () => {
  const registered = described.map(({ route }) => `${route.method} ${route.path}`).sort();
  assert.equal(operations.map(({ method, path }) => `${method} ${path}`).sort(), registered);
});

test("Only files and the document itself are left out of it", () => {
  for (const { path, description } of server.bridge.routes) {
    if (description === null) assert.match(path, /^\/(docs(\/|$)|openapi\.json$|page\/|$)/);
  }
});

test("Every route of the document answers on the socket", async () => {
  for (const { method, path } of operations) {
    const response = await fetch(server.url + path.replaceAll(/\{\w+\}/g, "absent"), { method });
    const text = await response.text();
    assert.ok(response.status !== 405 && !text.includes("no such route"), `${method} ${path}: ${response.status}`);
  }
});

test("Operation ids are unique, and each path parameter is described", () => {
  assert.is(new Set(operations.map(({ operation }) => operation.operationId)).size, operations.length);
  for (const { path, operation } of operations) {
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    assert.equal(
      operation.parameters.filter((parameter) => parameter.in === "path").map(({ name }) => name),
      inPath,
    );
  }
});

test("Every reference in the document leads somewhere", () => {
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, reference]) => reference as string);
  assert.ok(references.length > 0);
  for (const reference of references) {
    const [kind, name] = reference.replace("#/components/", "").split("/") as [keyof typeof document.components, string];
    assert.ok(Object.hasOwn(document.components[kind], name), reference);
  }
});

/** What HTTP itself, or a browser, sends; no client of this interface sets it. */
const OF_HTTP = [
  "accept",
  "accept-encoding",
  "authorization",
  "content-length",
  "content-type",
  "host",
  "if-none-match",
  "origin",
  "sec-fetch-site",
];
/** Read where routes of OpenAPI's or MCP's own libraries look for it, and passed on. */
const PASSED_ON = ["mcp-session-id"];

test("Every header that the code reads or answers with is described, and pages of other origins may send and read it", async () => {
  const root = new URL("../../../bridge/", import.meta.url);
  const files = (await readdir(root, { recursive: true })).filter((file) => file.endsWith(".ts") && !/browser|cli\//.test(file));
  const sources = await Promise.all(files.map((file) => readFile(new URL(file, root), "utf8")));
  const found = (pattern: RegExp) =>
    new Set(sources.flatMap((source) => [...source.matchAll(pattern)].map(([, name]) => name?.toLowerCase() as string)));
  const { parameters, headers } = document.components;
  const readable = Object.values(parameters).map(({ name }) => name.toLowerCase());
  const read = found(/headers\??\.get\("([\w-]+)"\)|(?<=HEADER = )"([\w-]+)"/g);
  read.delete(undefined as unknown as string);
  assert.ok(read.size > 12, "the pattern finds what is read");
  for (const name of read) assert.ok([...OF_HTTP, ...PASSED_ON, ...readable].includes(name), `${name} is read and not described`);
  const answered = Object.keys(headers).map((name) => name.toLowerCase());
  for (const name of found(/"((?:x-kennel|openai|retry|www)-[\w-]+)":/g))
    assert.ok(answered.includes(name), `${name} is answered and not described`);
  const preflight = await fetch(`${server.url}/v1/search`, { method: "OPTIONS", headers: { origin: "https://app.example.com" } });
  const allowed = preflight.headers.get("access-control-allow-headers")?.split(", ") ?? [];
  assert.equal(
    readable.filter((name) => !allowed.includes(name)),
    ["x-forwarded-proto"],
    "which a proxy sets",
  );
  const reply = await fetch(`${server.url}/healthz`, { headers: { origin: "https://app.example.com" } });
  const exposed = reply.headers.get("access-control-expose-headers")?.split(", ") ?? [];
  assert.equal(
    answered.filter((name) => !exposed.includes(name)),
    [],
  );
});

test("What asks for a key reads on whose behalf, and what works reads its deadline", () => {
  for (const { method, path, operation } of operations) {
    const named = operation.parameters.flatMap(({ $ref }) => ($ref === undefined ? [] : [$ref.split("/").at(-1)]));
    const source = described.find(({ route }) => route.method === method && route.path === path);
    assert.is(named.includes("Principals"), needOf(source?.route as Route) !== "open", `${method} ${path}`);
    assert.is(named.includes("RequestTimeout"), source?.route.kind === "work", `${method} ${path}`);
    assert.ok(named.includes("RequestId"));
    for (const [status, { headers }] of Object.entries(operation.responses)) {
      assert.ok(Object.hasOwn(headers, "X-Request-Id"), `${method} ${path} ${status}`);
      if (status === "429" || (status === "503" && path !== "/readyz"))
        assert.ok(Object.hasOwn(headers, "Retry-After"), `${method} ${path} ${status}`);
      if (status === "401") assert.ok(Object.hasOwn(headers, "WWW-Authenticate"), `${method} ${path} ${status}`);
    }
  }
});

test("Every example passes the schema that it stands beside", () => {
  const check = (name: string, schema: z.ZodType, example: unknown) => {
    const verdict = schema.safeParse(example);
    assert.ok(verdict.success, `${name}: ${verdict.error?.message}`);
  };
  for (const { description } of described) {
    for (const [status, answer] of Object.entries(description.answers))
      check(`${description.operationId} ${status}`, answer.schema, answer.example);
    for (const [mediaType, content] of Object.entries(description.request?.content ?? {})) {
      if (content.example !== undefined) check(`${description.operationId} ${mediaType}`, content.schema, content.example);
    }
  }
});

test("A request's example is taken by its route", async () => {
  await fetch(`${server.url}/v1/collections/docs`, {
    method: "PUT",
    body: '{"attributes":{"lang":"string","year":"number"}}',
    headers: { "content-type": "application/json" },
  });
  for (const { route, description } of described) {
    for (const [mediaType, { example }] of Object.entries(description.request?.content ?? {})) {
      if (example === undefined) continue;
      const path = route.path
        .replace(/\{(collection|vector_store_id)\}/, "docs")
        .replace("{alias}", "current")
        .replace("{task}", "optimize_indexes")
        .replace("{flag}", "hedging");
      const response = await fetch(server.url + path, {
        method: route.method,
        body: JSON.stringify(example),
        headers: { "content-type": mediaType },
      });
      assert.ok(response.ok, `${route.method} ${path} ${mediaType}: ${response.status} ${await response.text()}`);
    }
  }
  assert.ok(described.some(({ description }) => description.request?.content[NDJSON_TYPE] !== undefined));
});

/** Rows that no single operation has: of routing itself, of clients that are gone. */
const OF_NO_OPERATION: readonly ErrorCode[] = ["method_not_allowed", "cancelled"];

test("The error table and the document agree", () => {
  const seen = new Set<string>();
  for (const { method, path, operation } of operations) {
    const source = described.find(({ route }) => route.method === method && route.path === path);
    if (source === undefined) return assert.unreachable(`${method} ${path}`);
    const documented: string[] = [];
    for (const [status, response] of Object.entries(operation.responses)) {
      for (const [code, { value }] of Object.entries(response.content["application/json"]?.examples ?? {})) {
        const row = ERROR_TABLE[code as ErrorCode];
        assert.is(row?.http, Number(status), `${method} ${path} ${code}`);
        assert.equal([value.error.code, value.error.message], [code, row.say]);
        documented.push(code);
        seen.add(code);
      }
    }
    const isReadiness = path === "/readyz";
    if (!isReadiness) assert.equal(documented.sort(), [...errorsOf(source.route, source.description)].sort(), `${method} ${path}`);
  }
  const missing = Object.keys(ERROR_TABLE).filter((code) => !seen.has(code));
  assert.equal(missing.sort(), [...OF_NO_OPERATION].sort());
});

test.run();
