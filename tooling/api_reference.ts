/** docs/API.md, from the OpenAPI document that a node answers with. */

import { openApiDocument } from "../bridge/http/openapi.ts";
import type { BridgeParts } from "../bridge/http/parts.ts";
import { createBridge } from "../bridge/http/server.ts";
import { loadConfig } from "../config/load.ts";
import { systemClock } from "../runtime/clock.ts";
import { systemRandom } from "../runtime/random.ts";
import { VERSION } from "../runtime/version.ts";
import { createLogger } from "../telemetry/logs.ts";

interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly default?: unknown;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
}

interface Content {
  readonly schema?: Schema;
  readonly example?: unknown;
}

/** A parameter of the operation, or a reference to one of the headers that many have. */
interface DescribedParameter {
  readonly $ref?: string;
  readonly name: string;
  readonly in: string;
  readonly description?: string;
  readonly required?: boolean;
  readonly schema: Schema;
}

interface Answer {
  readonly description: string;
  readonly headers?: Readonly<Record<string, unknown>>;
  readonly content?: Readonly<Record<string, Content>>;
}

interface Operation {
  readonly summary: string;
  readonly tags: readonly string[];
  readonly parameters: readonly DescribedParameter[];
  readonly requestBody?: { readonly required: boolean; readonly content: Readonly<Record<string, Content>> };
  readonly responses: Readonly<Record<string, Answer>>;
}

interface Document {
  readonly tags: readonly { readonly name: string; readonly description: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, Schema>>;
    readonly parameters: Readonly<Record<string, DescribedParameter>>;
    readonly headers: Readonly<Record<string, { readonly description: string; readonly schema: Schema }>>;
  };
}

const JSON_TYPE = "application/json";
const EVERY_ANSWER = "X-Request-Id";

/** The document of a node with the usual settings. Routes are described without the parts that answer them. */
function documentOf(): Document {
  const config = loadConfig({ environment: {}, readFile: () => null, hostName: () => "node", workingFolder: "/" });
  const described = {
    embedding: { name: "static-minilm-256" },
    limits: config.http,
    reindex: config.reindex,
    corsOrigins: [],
    keys: null,
    keyLimits: config.keys,
    hosts: { hostNames: [], takesAddresses: true },
    page: null,
    urls: null,
    version: VERSION,
    clock: systemClock(),
    random: systemRandom(),
    logger: createLogger({ level: "silent", node: "docs" }),
  };
  return openApiDocument(createBridge(described as unknown as BridgeParts).routes, VERSION) as unknown as Document;
}

export function apiReference(): string {
  const { tags, paths, components } = documentOf();
  const operations = Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
  const sections = tags.flatMap(({ name, description }) => {
    const own = operations.filter(({ operation }) => operation.tags.includes(name));
    const texts = own.map((each) => operationOf(each, components.parameters));
    return own.length === 0 ? [] : [`## ${name}\n\n${description}.\n`, ...texts];
  });
  const schemas = Object.entries(components.schemas).sort(([left], [right]) => (left < right ? -1 : 1));
  return [
    "# API reference",
    "",
    "Made from the document that a node answers at `/openapi.json` (`npm run docs`); `/docs` on a running node lets each call be tried. A field with a",
    'star must be given. Every error has the body `{"error": {"message", "type", "code", "param"}}`, and every answer an `X-Request-Id`.',
    "",
    ...headersOf(components),
    ...sections,
    "## Bodies",
    "",
    ...schemas.map(([name, schema]) => schemaOf(name, schema)),
  ].join("\n");
}

/** Headers stand here once; which of them a request may have, each operation names. */
function headersOf({ parameters, headers }: Document["components"]): readonly string[] {
  const rows = (from: readonly (readonly [string, Schema, string])[]) =>
    from.map(([name, schema, description]) => `| \`${name}\` | ${typeOf(schema)} | ${cell(description)} |`);
  return [
    "## Headers",
    "",
    "Of requests; each operation names those that it reads.",
    "",
    "| header | type | |",
    "|---|---|---|",
    ...rows(Object.values(parameters).map(({ name, schema, description = "" }) => [name, schema, description])),
    "",
    "Of answers; those that ask for a key, or tell that a retry may help, have theirs with every operation.",
    "",
    "| header | type | |",
    "|---|---|---|",
    ...rows(Object.entries(headers).map(([name, { schema, description }]) => [name, schema, description])),
    "",
  ];
}

function operationOf(
  { path, method, operation }: { readonly path: string; readonly method: string; readonly operation: Operation },
  headerNames: Document["components"]["parameters"],
): string {
  const { summary, parameters, requestBody, responses } = operation;
  const lines = [`### ${method} ${path}`, "", `${summary}.`, ""];
  const own = parameters.filter(({ $ref }) => $ref === undefined);
  if (own.length > 0) {
    lines.push("| parameter | in | type | |", "|---|---|---|---|");
    for (const parameter of own) {
      const star = parameter.required === true ? "*" : "";
      lines.push(`| \`${parameter.name}\`${star} | ${parameter.in} | ${typeOf(parameter.schema)} | ${cell(parameter.description ?? "")} |`);
    }
    lines.push("");
  }
  for (const [mediaType, { schema, example }] of Object.entries(requestBody?.content ?? {})) {
    lines.push(`Body, \`${mediaType}\`: ${schema === undefined ? "any" : typeOf(schema)}`, "");
    if (mediaType === JSON_TYPE && example !== undefined) lines.push("```json", JSON.stringify(example), "```", "");
  }
  const shared = parameters.flatMap(({ $ref }) => ($ref === undefined ? [] : [`\`${headerNames[$ref.split("/").at(-1) ?? ""]?.name}\``]));
  if (shared.length > 0) lines.push(`Headers: ${shared.join(", ")}`, "");
  const answers: string[] = [];
  const errors: string[] = [];
  for (const [status, { description, content, headers }] of Object.entries(responses)) {
    const more = Object.keys(headers ?? {}).filter((name) => name !== EVERY_ANSWER);
    const schema = Object.values(content ?? {})[0]?.schema;
    if (Number(status) < 400)
      answers.push(
        `- ${status}: ${description}${schema === undefined ? "" : `; ${typeOf(schema)}`}${more.length === 0 ? "" : `; with ${more.map((name) => `\`${name}\``).join(", ")}`}`,
      );
    else errors.push(`${status} ${description.replaceAll(/([a-z_]+): [^;]*/g, "`$1`").replaceAll(";", ",")}`);
  }
  if (errors.length > 0) answers.push(`- Errors: ${errors.join("; ")}`);
  return [...lines, ...answers, ""].join("\n");
}

function schemaOf(name: string, schema: Schema): string {
  const head = [`### ${name}`, "", ...(schema.description === undefined ? [] : [`${schema.description}.`, ""])];
  const fields = Object.entries(schema.properties ?? {});
  if (fields.length === 0) return [...head, typeOf(schema), ""].join("\n");
  const rows = fields.map(([field, inner]) => {
    const star = schema.required?.includes(field) === true ? "*" : "";
    const fallback = inner.default === undefined ? "" : ` Default: \`${JSON.stringify(inner.default)}\`.`;
    return `| \`${field}\`${star} | ${typeOf(inner)} | ${cell(`${inner.description ?? ""}${fallback}`)} |`;
  });
  return [...head, "| field | type | |", "|---|---|---|", ...rows, ""].join("\n");
}

/** A type as people read it; named ones lead to their section. */
function typeOf(schema: Schema): string {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.split("/").at(-1) ?? "";
    return `[${name}](#${name.toLowerCase()})`;
  }
  const options = schema.anyOf ?? schema.oneOf;
  if (options !== undefined) return [...new Set(options.map(typeOf))].join(" or ");
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``;
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${String(value)}\``).join(", ");
  if (schema.type === "array") return `list of ${schema.items === undefined ? "anything" : typeOf(schema.items)}`;
  const inner = Object.keys(schema.properties ?? {});
  if (schema.type === "object" && inner.length > 0) return `object of ${inner.map((field) => `\`${field}\``).join(", ")}`;
  return typeof schema.type === "string" ? schema.type : (schema.type?.join(" or ") ?? "anything");
}

const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", " ");
