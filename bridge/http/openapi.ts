/** The OpenAPI 3.1 document, made from the routes and the schemas that check their requests. */
import { z } from "zod";
import { ERROR_TABLE, type ErrorCode, kennelError } from "../../runtime/errors.ts";
import { errorSchema, fromError } from "../schema/errors.ts";
import { filterSchema } from "../schema/filters.ts";
import { needOf } from "./access/route_needs.ts";
import { JSON_TYPE } from "./answer.ts";
import { ANSWER_HEADERS, type AnswerHeaderName, REQUEST_HEADERS, requestHeadersOf } from "./described_headers.ts";
import type { AnswerContent, Parameter, RequestContent, Route, RouteDescription } from "./route.ts";

type Json = Record<string, unknown>;

/** What any route that works may answer beside its own errors. */
const WORK_ERRORS: readonly ErrorCode[] = [
  "invalid_request",
  "forbidden",
  "overloaded",
  "internal",
  "unavailable",
  "draining",
  "deadline_exceeded",
];
const OPERATION_ERRORS: readonly ErrorCode[] = ["forbidden", "internal"];
/** Where the node asks for keys, and for whom they ask. */
const KEY_ERRORS: readonly ErrorCode[] = ["invalid_request", "unauthorized", "forbidden", "overloaded"];
const KEY_SCHEME = "key";

const TAGS = {
  collections: "What is asked: documents with their settings",
  documents: "What answers come from",
  jobs: "Documents on their way into the indexes",
  search: "Questions and the passages that answer them",
  chat: "Conversations answered from a collection, in OpenAI's shape",
  aliases: "Second names that can be moved",
  openai: "What clients of OpenAI ask for; unknown fields are ignored",
  cohere: "What clients of Cohere ask for; unknown fields are ignored",
  mcp: "What agents ask for by the Model Context Protocol",
  dify: "What Dify asks an external knowledge base for",
  operations: "How the node is",
} as const satisfies Record<RouteDescription["tag"], string>;

export function openApiDocument(routes: readonly Route[], version: string): Json {
  const schemas = new SchemaCollector();
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    if (route.description === null) continue;
    const item = paths[route.path] ?? {};
    item[route.method.toLowerCase()] = operation(route, route.description, schemas);
    paths[route.path] = item;
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Kennel",
      version,
      description:
        "A retrieval server that keeps its retrievers warm. Every error has OpenAI's shape and the request's id in X-Request-Id.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/" }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      schemas: schemas.components(),
      parameters: Object.fromEntries(
        Object.entries(REQUEST_HEADERS).map(([name, parameter]) => [name, parameterObject(parameter, schemas)]),
      ),
      headers: ANSWER_HEADERS,
      securitySchemes: {
        [KEY_SCHEME]: {
          type: "http",
          scheme: "bearer",
          description: "A key of kennel keys create, where the node asks for one (KENNEL_AUTH)",
        },
      },
    },
  };
}

function operation(route: Route, description: RouteDescription, schemas: SchemaCollector): Json {
  const errors = errorsOf(route, description);
  const answers = Object.entries(description.answers).map(([status, answer]) => [status, answerObject(answer, schemas)] as const);
  return {
    operationId: description.operationId,
    summary: description.summary,
    tags: [description.tag],
    ...(needOf(route) === "open" ? {} : { security: [{ [KEY_SCHEME]: [] }, {}] }),
    parameters: [
      ...description.parameters.map((parameter) => parameterObject(parameter, schemas)),
      ...requestHeadersOf(route).map((name) => ({ $ref: `#/components/parameters/${name}` })),
    ],
    ...(description.request === null
      ? {}
      : { requestBody: { required: description.request.isRequired, content: requestContent(description.request.content, schemas) } }),
    responses: withAnswers(errorResponses(errors, schemas), Object.fromEntries(answers)),
  };
}

/** The codes a route may answer, in the table's order. */
export function errorsOf(route: Route, description: RouteDescription): readonly ErrorCode[] {
  const usual = route.kind === "work" ? WORK_ERRORS : OPERATION_ERRORS;
  const codes = new Set([...usual, ...(needOf(route) === "open" ? [] : KEY_ERRORS), ...description.errors]);
  return (Object.keys(ERROR_TABLE) as ErrorCode[]).filter((code) => codes.has(code));
}

function answerHeaders(names: readonly AnswerHeaderName[]): Json {
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}

function answerObject(answer: AnswerContent, schemas: SchemaCollector): Json {
  return {
    description: answer.description,
    headers: answerHeaders(["X-Request-Id", ...(answer.headers ?? [])]),
    content:
      answer.mediaType === null
        ? {}
        : {
            [answer.mediaType]: { schema: schemas.refer(answer.schema, "output"), example: answer.example },
            ...(answer.mayStream === true ? { "text/event-stream": {} } : {}),
          },
  };
}

interface DescribedResponse {
  readonly description: string;
  readonly content: Readonly<Record<string, { readonly schema: Json }>>;
}

/** A status that an error of the table and an answer of the route's own protocol share has either body. */
function withAnswers(errors: Json, answers: Json): Json {
  const responses: Json = { ...errors, ...answers };
  for (const [status, answer] of Object.entries(answers) as [string, DescribedResponse][]) {
    const error = errors[status] as DescribedResponse | undefined;
    const [ofError, ofAnswer] = [error?.content[JSON_TYPE], answer.content[JSON_TYPE]];
    if (error === undefined || ofError === undefined || ofAnswer === undefined) continue;
    const schema = { anyOf: [ofAnswer.schema, ofError.schema] };
    responses[status] = {
      ...error,
      description: `${answer.description}; ${error.description}`,
      content: { [JSON_TYPE]: { ...ofError, schema } },
    };
  }
  return responses;
}

/** One response a status, with an example for each code that has it. */
function errorResponses(codes: readonly ErrorCode[], schemas: SchemaCollector): Json {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of codes) byStatus.set(ERROR_TABLE[code].http, [...(byStatus.get(ERROR_TABLE[code].http) ?? []), code]);
  const responses: Json = {};
  for (const [status, sharing] of byStatus) {
    const isRetryable = sharing.some((code) => ERROR_TABLE[code].retryable);
    responses[status] = {
      description: sharing.map((code) => `${code}: ${ERROR_TABLE[code].say}`).join("; "),
      headers: answerHeaders([
        "X-Request-Id",
        ...(isRetryable ? (["Retry-After", "Retry-After-Ms"] as const) : []),
        ...(sharing.includes("unauthorized") ? (["WWW-Authenticate"] as const) : []),
      ]),
      content: {
        [JSON_TYPE]: {
          schema: schemas.refer(errorSchema, "output"),
          examples: Object.fromEntries(sharing.map((code) => [code, { value: fromError(kennelError(code)) }])),
        },
      },
    };
  }
  return responses;
}

function parameterObject(parameter: Parameter, schemas: SchemaCollector): Json {
  return {
    name: parameter.name,
    in: parameter.in,
    required: parameter.in === "path",
    description: parameter.description,
    schema: schemas.refer(parameter.schema, "input"),
    ...(parameter.example === undefined ? {} : { example: parameter.example }),
  };
}

function requestContent(content: RequestContent, schemas: SchemaCollector): Json {
  const described = Object.entries(content).map(([mediaType, { schema, example }]) => {
    const body = { schema: schemas.refer(schema, "input"), ...(example === undefined ? {} : { example }) };
    return [mediaType, body] as const;
  });
  return Object.fromEntries(described);
}

/** Gathers schemas that have a name under `components`, so that each stands in the document once. */
class SchemaCollector {
  readonly #components: Record<string, Json> = {};

  constructor() {
    this.refer(filterSchema, "input");
  }

  /** The schema for the place that uses it: a reference where it has a name. */
  refer(schema: z.ZodType, io: "input" | "output"): Json {
    const made: Json = z.toJSONSchema(schema, { target: "draft-2020-12", io, unrepresentable: "any", override: overrideSchema });
    const { $schema: _dialect, $defs: definitions, id, ...rest } = made;
    for (const [name, definition] of Object.entries((definitions ?? {}) as Record<string, Json>)) this.#add(name, definition);
    if (typeof id !== "string") return withComponentReferences(rest);
    this.#add(id, rest);
    return { $ref: `#/components/schemas/${id}` };
  }

  components(): Json {
    return Object.fromEntries(Object.entries(this.#components).sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  #add(name: string, definition: Json): void {
    const { id: _id, ...rest } = definition;
    this.#components[name] ??= withComponentReferences(rest);
  }
}

/** Refers to the filter's schema where a request has a filter, which is checked by other means. */
function overrideSchema({ jsonSchema }: { jsonSchema: z.core.JSONSchema.BaseSchema }): void {
  const { kennelSchema, ...rest } = jsonSchema as Json;
  if (typeof kennelSchema !== "string") return;
  for (const key of Object.keys(jsonSchema)) delete jsonSchema[key];
  Object.assign(jsonSchema, rest, { $ref: `#/$defs/${kennelSchema}` });
}

/** References within a schema of its own become references into the document. */
function withComponentReferences<Value>(value: Value): Value {
  const text = JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === "string" && inner.startsWith("#/$defs/") ? inner.replace("#/$defs/", "#/components/schemas/") : inner,
  );
  return JSON.parse(text);
}
