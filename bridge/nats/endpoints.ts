/** The endpoints of the service as data: what is subscribed to, what its description says, and which route answers. */
import { Buffer } from "node:buffer";
import { z } from "zod";
import { SUBJECT_ROOT } from "../../transport/nats/subjects.ts";
import { parseJson } from "../http/body.ts";
import { MAX_JSON_DEPTH } from "../http/exchange.ts";
import { chatAnswerSchema, chatRequestSchema } from "../schema/chat.ts";
import { documentsRequestSchema } from "../schema/documents.ts";
import { filterSchema } from "../schema/filters.ts";
import { jobSchema } from "../schema/jobs.ts";
import { searchAnswerSchema, searchRequestSchema } from "../schema/search.ts";
import { statusSchema } from "../schema/status.ts";
import { nameSchema } from "../schema/text.ts";
import { describe, refuse, validate } from "../schema/validate.ts";

/** A route of the HTTP bridge and what it is asked. */
interface Asked {
  readonly method: "GET" | "POST";
  readonly target: string;
  readonly body: Uint8Array;
}

export interface NatsEndpoint {
  /** As NATS' tools show it: letters and `_`. */
  readonly name: string;
  readonly subject: string;
  readonly description: string;
  /** Null: the message has no body. */
  readonly request: z.ZodType | null;
  readonly answer: z.ZodType;
  /** Of what route a message asks, by the last token of its subject. Throws `invalid_request`. */
  ask(token: string, body: Uint8Array): Asked;
}

const NOTHING = new Uint8Array(0);
/** For a body that names its collection itself. */
const IN_BODY = { collection: nameSchema };
const path = (token: string) => encodeURIComponent(token);
const searchOf = (token: string, body: Uint8Array): Asked => ({ method: "POST", target: `/v1/collections/${path(token)}/search`, body });
const ingestOf = (token: string, body: Uint8Array): Asked => ({ method: "POST", target: `/v1/collections/${path(token)}/documents`, body });

const AT_NODE = `${SUBJECT_ROOT}.at.*`;

/** Where the node of this name takes the endpoint's messages. */
export function subjectOn({ subject }: NatsEndpoint, node: string): string {
  return subject.replace(AT_NODE, `${SUBJECT_ROOT}.at.${node}`);
}

/** Chunks unless the body says that it wants one answer: over NATS nothing is gained by waiting for the whole. */
function chatOf(fields: Readonly<Record<string, unknown>>): Asked {
  const body = Buffer.from(JSON.stringify({ ...fields, stream: fields.stream ?? true }));
  return { method: "POST", target: "/v1/chat/completions", body };
}

export const NATS_ENDPOINTS: readonly NatsEndpoint[] = [
  {
    name: "search",
    subject: `${SUBJECT_ROOT}.search`,
    description: "Ask the collection that the body names",
    request: searchRequestSchema.extend(IN_BODY),
    answer: searchAnswerSchema,
    ask(_token, body) {
      const { collection, ...rest } = fieldsOf(body);
      return searchOf(validate(nameSchema, collection, ["collection"]), Buffer.from(JSON.stringify(rest)));
    },
  },
  {
    name: "search_collection",
    subject: `${SUBJECT_ROOT}.search.*`,
    description: "Ask the collection that the subject names",
    request: searchRequestSchema,
    answer: searchAnswerSchema,
    ask: searchOf,
  },
  {
    name: "search_at",
    subject: `${AT_NODE}.search.*`,
    description: "As search_collection, of the node that the subject names: who follows the heartbeats saves the way over another one",
    request: searchRequestSchema,
    answer: searchAnswerSchema,
    ask: searchOf,
  },
  {
    name: "chat",
    subject: `${SUBJECT_ROOT}.chat`,
    description: "A conversation with the collection that is named as model: chunks, then an empty message",
    request: chatRequestSchema,
    answer: chatAnswerSchema,
    ask: (_token, body) => chatOf(fieldsOf(body)),
  },
  {
    name: "chat_collection",
    subject: `${SUBJECT_ROOT}.chat.*`,
    description: "A conversation with the collection that the subject names: chunks, then an empty message",
    request: chatRequestSchema.omit({ model: true }),
    answer: chatAnswerSchema,
    ask: (token, body) => chatOf({ ...fieldsOf(body), model: token }),
  },
  {
    name: "ingest",
    subject: `${SUBJECT_ROOT}.ingest`,
    description: "Add or replace documents of the collection that the body names",
    request: documentsRequestSchema.extend(IN_BODY),
    answer: jobSchema,
    ask(_token, body) {
      const { collection, ...rest } = fieldsOf(body);
      return ingestOf(validate(nameSchema, collection, ["collection"]), Buffer.from(JSON.stringify(rest)));
    },
  },
  {
    name: "ingest_collection",
    subject: `${SUBJECT_ROOT}.ingest.*`,
    description: "Add or replace documents of the collection that the subject names",
    request: documentsRequestSchema,
    answer: jobSchema,
    ask: ingestOf,
  },
  {
    name: "job",
    subject: `${SUBJECT_ROOT}.jobs.*`,
    description: "How far the job is that the subject names",
    request: null,
    answer: jobSchema,
    ask: (token) => ({ method: "GET", target: `/v1/jobs/${path(token)}`, body: NOTHING }),
  },
  {
    name: "status",
    subject: `${SUBJECT_ROOT}.status`,
    description: "The status of the node that answers",
    request: null,
    answer: statusSchema,
    ask: () => ({ method: "GET", target: "/v1/status", body: NOTHING }),
  },
];

let schemas: string | null = null;

/** JSON Schemas (2020-12) of all bodies, by endpoint, as JSON. Made once: it takes milliseconds, and is told whoever asks. */
export function endpointSchemas(): string {
  schemas ??= JSON.stringify({
    object: "list",
    data: NATS_ENDPOINTS.map(({ name, subject, description, request, answer }) => ({
      name,
      subject,
      description,
      request: request === null ? null : jsonSchema(request, "input"),
      answer: jsonSchema(answer, "output"),
    })),
  });
  return schemas;
}

function jsonSchema(schema: z.ZodType, io: "input" | "output"): object {
  const made = convert(schema, io);
  return JSON.stringify(made).includes(FILTER_REFERENCE) ? { ...made, $defs: { ...made.$defs, Filter: convert(filterSchema, io) } } : made;
}

function convert(schema: z.ZodType, io: "input" | "output") {
  const { $schema: _dialect, ...made } = z.toJSONSchema(schema, {
    target: "draft-2020-12",
    io,
    unrepresentable: "any",
    override: namedSchema,
  });
  return made;
}

const FILTER_REFERENCE = "#/$defs/Filter";

/** A filter is checked apart from its body, whose schema only names it. */
function namedSchema({ jsonSchema: written }: { jsonSchema: z.core.JSONSchema.BaseSchema }): void {
  if (written.kennelSchema !== "Filter") return;
  delete written.kennelSchema;
  written.$ref = FILTER_REFERENCE;
}

function fieldsOf(body: Uint8Array): Readonly<Record<string, unknown>> {
  const parsed = parseJson(body, MAX_JSON_DEPTH, "");
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) throw refuse("", `is ${describe(parsed)}`, "an object");
  return parsed as Readonly<Record<string, unknown>>;
}
