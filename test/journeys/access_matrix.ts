/**
 * Who asks × what is asked × how: every answer is read for words that stand in one document alone, and compared with what
 * the principals of who asks may see. The test, the runs on mutated code and those over NATS use the same matrix.
 */
import type { AccessCase } from "../../tooling/access_matrix.ts";
import type { Behaviour } from "../support/openai_server.ts";

export interface AskedReply {
  readonly status: number;
  readonly text: string;
}

/** Asks as one caller: over HTTP, or what stands for it. */
export type Ask = (method: string, path: string, body: unknown, headers: Readonly<Record<string, string>>) => Promise<AskedReply>;

/** A document of the matrix; its word stands nowhere else. */
export interface MatrixDocument {
  readonly id: string;
  readonly principals: readonly string[];
}

const DOCUMENTS: readonly MatrixDocument[] = [
  { id: "open", principals: [] },
  { id: "ann", principals: ["user:ann"] },
  { id: "bob", principals: ["user:bob"] },
  { id: "staff", principals: ["group:staff"] },
  { id: "both", principals: ["user:ann", "user:bob"] },
];

export interface MatrixCollection {
  /** As operators call it. */
  readonly name: string;
  readonly tenant: string | null;
  readonly isRequired: boolean;
  readonly resident: "always" | "never";
  readonly documents: readonly MatrixDocument[];
}

function collection(name: string, resident: "always" | "never", isRequired = false, tenant: string | null = null): MatrixCollection {
  return { name, resident, isRequired, tenant, documents: DOCUMENTS };
}

export const COLLECTIONS: readonly MatrixCollection[] = [
  collection("held", "always"),
  collection("stored", "never"),
  collection("strict-held", "always", true),
  collection("strict-stored", "never", true),
  collection("acme--held", "always", false, "acme"),
  collection("beta--held", "always", false, "beta"),
];

export interface MatrixCaller {
  readonly name: string;
  readonly scope: "read" | "write" | "admin";
  readonly collections: string;
  readonly tenant?: string;
  /** Absent: none were given to the key. */
  readonly principals?: readonly string[];
  readonly delegate?: true;
  /** On whose behalf it asks. */
  readonly asks?: readonly string[];
}

export const CALLERS: readonly MatrixCaller[] = [
  { name: "administrator", scope: "admin", collections: "*" },
  { name: "nobody", scope: "read", collections: "*" },
  { name: "ann", scope: "read", collections: "*", principals: ["user:ann"] },
  { name: "bob of staff", scope: "read", collections: "*", principals: ["group:staff", "user:bob"] },
  { name: "service for ann", scope: "read", collections: "*", delegate: true, asks: ["user:ann"] },
  { name: "service for nobody", scope: "admin", collections: "*", delegate: true, asks: [] },
  { name: "ann, some collections", scope: "read", collections: "st*", principals: ["user:ann"] },
  { name: "administrator of acme", scope: "admin", collections: "*", tenant: "acme" },
  { name: "ann of acme", scope: "read", collections: "*", tenant: "acme", principals: ["user:ann"] },
  { name: "nobody of beta", scope: "read", collections: "*", tenant: "beta" },
];

/** Who tries to write what is not for them; they ask nothing. */
export const WRITERS: readonly MatrixCaller[] = [
  { name: "writer for ann", scope: "write", collections: "*", principals: ["user:ann"] },
  { name: "administrator for bob", scope: "admin", collections: "*", principals: ["user:bob"] },
  { name: "service writing for staff", scope: "write", collections: "*", delegate: true, asks: ["group:staff"] },
  { name: "service writing for nobody", scope: "admin", collections: "*", delegate: true, asks: [] },
  { name: "connector", scope: "write", collections: "*" },
  { name: "writer for ann of acme", scope: "write", collections: "*", tenant: "acme", principals: ["user:ann"] },
];

/** The word of a document, in no other text. */
export function wordOf(collectionName: string, id: string): string {
  return `only${collectionName.replaceAll("-", "")}${id}`;
}

export function textOf(collectionName: string, id: string): string {
  const word = wordOf(collectionName, id);
  return `The heron nests by the water near ${word}.\n\nIn spring the ${word} heron comes back to its colony and feeds on small fish.\n\nHerons of ${word} are grey and stand still for hours at the bank.`;
}

/** Null: who asks sees everything in it. */
function principalsOf({ scope, principals, asks }: MatrixCaller): readonly string[] | null {
  return asks ?? principals ?? (scope === "admin" ? null : []);
}

/** What the caller calls the collection; null: it can't name it. */
export function nameFor({ tenant }: MatrixCaller, { name, tenant: owner }: MatrixCollection): string | null {
  if (tenant === undefined) return name;
  return tenant === owner ? name.slice(tenant.length + 2) : null;
}

function covers(caller: MatrixCaller, target: MatrixCollection): boolean {
  const name = nameFor(caller, target);
  return name !== null && (caller.collections === "*" || name.startsWith(caller.collections.slice(0, -1)));
}

/** Ids of the documents that the caller may see. */
function allowed(caller: MatrixCaller, target: MatrixCollection): readonly string[] {
  if (!covers(caller, target)) return [];
  return target.documents.filter((document) => sees(caller, target, document)).map(({ id }) => id);
}

/** Whether a document of what the caller covers is for it. */
export function sees(caller: MatrixCaller, { isRequired }: MatrixCollection, { principals }: MatrixDocument): boolean {
  const asking = principalsOf(caller);
  return asking === null || (principals.length === 0 ? !isRequired : principals.some((one) => asking.includes(one)));
}

/** Writes what a model would be told, so that what reaches it can be read; and further questions. */
export const echoing: Behaviour = ({ body }, response) => {
  const { messages } = body as unknown as { readonly messages: readonly { readonly content: string }[] };
  const [rules] = messages;
  const content = rules?.content.includes("short passage")
    ? "A heron stands still at the bank of the water."
    : rules?.content.includes("search quer")
      ? "1. birds at the water\n2. grey heron colony"
      : messages.map((message) => message.content).join("\n");
  const event = (choice: object) =>
    `data: ${JSON.stringify({ id: "1", object: "chat.completion.chunk", choices: [{ index: 0, ...choice }] })}\n\n`;
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.end(`${event({ delta: { content } })}${event({ delta: {}, finish_reason: "stop" })}data: [DONE]\n\n`);
};

/** A way to ask one collection, under the name that the caller has for it. */
export interface Way {
  readonly name: string;
  /** Whether its answers show every document that the caller may see. */
  readonly isWhole: boolean;
  requests(name: string, question: string): readonly { readonly method: string; readonly path: string; readonly body?: unknown }[];
}

export const STRATEGIES = ["vector", "bm25", "hybrid", "parent_document", "multi_query", "hyde", "ensemble"] as const;

export function searchWay(strategy: (typeof STRATEGIES)[number], more: object = {}): Way {
  const body = {
    strategy,
    top_k: 50,
    include: ["text", "attributes", "scores", "ranks"],
    ...(strategy === "ensemble" ? { strategies: [{ strategy: "hybrid" }, { strategy: "multi_query" }, { strategy: "hyde" }] } : {}),
    ...more,
  };
  return {
    name: `search: ${[strategy, ...Object.keys(more)].join(", ")}`,
    isWhole: !("mmr" in more) && !("deduplicate" in more),
    requests: (name, query) => [{ method: "POST", path: `/v1/collections/${name}/search`, body: { ...body, query } }],
  };
}

const ANY_YEAR = { type: "or", filters: [{ type: "gte", key: "year", value: 0 }, { type: "lt", key: "year", value: 0 }] }; // biome-ignore format: one filter

export const SEARCHES: readonly Way[] = [
  ...STRATEGIES.map((strategy) => searchWay(strategy)),
  searchWay("hybrid", { filters: ANY_YEAR }),
  searchWay("hybrid", { group_by: "document", explain: true }),
  searchWay("hybrid", { merge_neighbors: true }),
  searchWay("hybrid", { deduplicate: true, mmr: { diversity: 0.5 } }),
];

const post = (path: string, body: unknown) => ({ method: "POST", path, body });
const get = (path: string) => ({ method: "GET", path });

/** Every other route that tells of documents. */
export const OTHER_WAYS: readonly Way[] = [
  {
    name: "POST /v1/search",
    isWhole: true,
    requests: (name, query) => [post("/v1/search", { collections: [name], query, top_k: 50, include: ["text"] })],
  },
  {
    name: "chat, by what its model is told",
    isWhole: false,
    requests: (name, content) => [post("/v1/chat/completions", { model: name, messages: [{ role: "user", content }] })],
  },
  {
    name: "MCP: search in one collection and in all",
    isWhole: false,
    requests: (name, query) => [mcp("search", { query, collection: name, limit: 50 }), mcp("search", { query, limit: 50 })],
  },
  { name: "MCP: fetch", isWhole: true, requests: (name) => DOCUMENTS.map(({ id }) => mcp("fetch", { id: `${name}/${id}` })) },
  {
    name: "OpenAI: search of a vector store",
    isWhole: true,
    requests: (name, query) => [post(`/v1/vector_stores/${name}/search`, { query, max_num_results: 50 })],
  },
  {
    name: "OpenAI: files, and their content",
    isWhole: true,
    requests: (name) => [
      get(`/v1/vector_stores/${name}/files`),
      ...DOCUMENTS.flatMap(({ id }) => [
        get(`/v1/vector_stores/${name}/files/${id}`),
        get(`/v1/vector_stores/${name}/files/${id}/content`),
      ]),
    ],
  },
  {
    name: "Dify",
    isWhole: true,
    requests: (name, query) => [
      post("/dify/retrieval", { knowledge_id: name, query, retrieval_setting: { top_k: 50, score_threshold: 0 } }),
    ],
  },
  { name: "documents: list, also by pages", isWhole: true, requests: (name) => documentPages(name) },
  {
    name: "documents: each",
    isWhole: true,
    requests: (name) => DOCUMENTS.map(({ id }) => get(`/v1/collections/${name}/documents/${id}`)),
  },
  {
    name: "lists of collections, models and stores",
    isWhole: false,
    requests: () => [get("/v1/collections"), get("/v1/models"), get("/v1/vector_stores"), get("/v1/files")],
  },
];

function mcp(name: string, given: object) {
  return post("/mcp", { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name, arguments: given } });
}

function documentPages(name: string) {
  return [
    get(`/v1/collections/${name}/documents`),
    get(`/v1/collections/${name}/documents?limit=1`),
    get(`/v1/collections/${name}/documents?limit=1&after=ann`),
  ];
}

/** What the matrix has found. */
export class Findings {
  /** Answers read, by row and caller. */
  readonly read = new Map<string, Map<string, number>>();
  readonly leaks: string[] = [];
  /** What should have been found and was not: a matrix of empty answers would leak nothing. */
  readonly lacks: string[] = [];

  /** Answers read, by row. */
  get rows(): readonly (readonly [string, number])[] {
    return [...this.read].map(([row, counts]) => [row, [...counts.values()].reduce((sum, count) => sum + count, 0)]);
  }

  count(row: string, { name }: MatrixCaller, answers: number): void {
    const counts = this.read.get(row) ?? new Map<string, number>();
    this.read.set(row, counts);
    counts.set(name, (counts.get(name) ?? 0) + answers);
  }

  /**
   * Reads one caller's answers to one way.
   * @param row of the table
   * @param world all collections as they are now
   */
  note(
    row: string,
    caller: MatrixCaller,
    target: MatrixCollection,
    way: Way,
    replies: readonly AskedReply[],
    world: readonly MatrixCollection[],
  ): void {
    this.count(row, caller, replies.length);
    const text = replies.map((reply) => reply.text).join("\n");
    const where = `${row}, ${way.name}: ${caller.name} asks ${target.name}`;
    for (const other of world) {
      const seen = allowed(caller, other);
      for (const { id } of other.documents)
        if (!seen.includes(id) && tells(text, other.name, id)) this.leaks.push(`${where} and is told of ${other.name}/${id}`);
    }
    if (caller.tenant !== undefined && /\b(acme|beta)--|\bstrict-/.test(text) && covers(caller, target))
      this.leaks.push(`${where} and is told a name that is not its tenant's`);
    const isAnswered = replies.some((reply) => reply.status === 200 && !reply.text.includes('"isError":true'));
    const isOwnName = world.some((other) => nameFor(caller, other) === target.name && covers(caller, other));
    if (way.isWhole && !covers(caller, target) && !isOwnName && isAnswered) this.leaks.push(`${where} and is answered`);
    if (!way.isWhole || replies.some(({ status }) => status === 503)) return;
    for (const id of allowed(caller, target)) if (!tells(text, target.name, id)) this.lacks.push(`${where} and lacks ${id}`);
  }
}

/** Title, text and an attribute hold the word, so that whatever tells of a document says it. */
function tells(text: string, collectionName: string, id: string): boolean {
  return text.toLowerCase().includes(wordOf(collectionName, id));
}

/** The callers and what each sees, for the table. */
export function accessCases(): readonly AccessCase[] {
  return CALLERS.map((caller) => ({
    caller: caller.name,
    key: keyOf(caller),
    sees: Object.fromEntries(COLLECTIONS.map((target) => [target.name, covers(caller, target) ? allowed(caller, target) : null])),
  }));
}

function keyOf({ scope, collections, tenant, principals, delegate, asks }: MatrixCaller): string {
  return [
    scope,
    `collections ${collections.replaceAll("*", "\\*")}`,
    ...(tenant === undefined ? [] : [`tenant ${tenant}`]),
    ...(principals === undefined ? [] : [principals.join(", ")]),
    ...(delegate === undefined ? [] : [`asks for ${asks?.join(", ") || "nobody"}`]),
  ].join("; ");
}
