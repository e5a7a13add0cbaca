import { z } from "zod";
import { childLimits } from "./child_limits.ts";
import { setting, type Values } from "./setting.ts";

/** Levels of pino's log lines; `silent` writes none. */
export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export const PROFILES = ["development", "test", "production"] as const;
export type Profile = (typeof PROFILES)[number];

const KIB = 1_024;
const MIB = 1_024 * KIB;

const count = (max = 1_000_000) => z.int().min(1).max(max);
const milliseconds = (max = 86_400_000) => z.int().min(1).max(max);
const share = z.number().gt(0).max(1);
const bytes = (max = 1_024 * 1_024 * MIB) => z.int().min(1).max(max);

/** `*`, or one origin of a web page: scheme, host, port. */
const origin = z
  .string()
  .refine((value) => value === "*" || isOrigin(value), { error: 'expected "*" or an origin like "https://app.example.com"' });

function isOrigin(value: string): boolean {
  return URL.canParse(value) && new URL(value).origin === value;
}

/**
 * Every setting of a node, in one place: `npm run docs` makes config/SETTINGS.md and the README's table from it.
 * Keys are paths (`http.port`); a file nests them, the environment spells them `KENNEL_HTTP_PORT`.
 */
export const SETTINGS = {
  profile: setting(
    z.enum(PROFILES),
    "development",
    "Which defaults hold: `test` is silent and quick to stop, `production` waits longer for peers",
  ),
  nodeName: setting(
    z.string().regex(/^[A-Za-z0-9_-]{0,64}$/, "expected at most 64 of A-Z a-z 0-9 _ -"),
    "",
    "Name of this node in logs, metrics and status; empty: the machine's host name",
  ),
  dataDir: setting(z.string().min(1), "./data", "Folder of everything that is kept; one process at a time owns it"),
  logLevel: setting(z.enum(LOG_LEVELS), "info", "Least serious log lines that are written"),
  auth: setting(
    z.enum(["auto", "off", "required"]),
    "auto",
    "Whether callers need a key; `auto`: off on a loopback host, required on any other. There are no keys yet, so any other host needs an explicit `off`",
  ),
  embedding: setting(z.enum(["static"]), "static", "Model that turns text into vectors; `static` is built in and needs no network"),
  loadDocumentation: setting(z.boolean(), true, "Whether a first start loads Kennel's own documentation as the collection `kennel`"),

  http: {
    host: setting(z.string().min(1), "127.0.0.1", "Address to listen on"),
    port: setting(z.int().min(0).max(65_535), 7_400, "Port to listen on; 0: any free one"),
    corsOrigins: setting(z.array(origin), [], "Origins of web pages that may call the API, with commas; `*`: all"),
    maxBodyBytes: setting(bytes(), 1 * MIB, "Largest body of any request but documents"),
    maxDocumentsBodyBytes: setting(bytes(), 32 * MIB, "Largest body of a request that brings documents"),
    maxDocuments: setting(count(), 10_000, "Documents in one request"),
    maxInFlight: setting(count(), 1_024, "Requests answered at once, operations such as /healthz aside; beyond it `overloaded`"),
    maxBufferedBytes: setting(bytes(), 256 * MIB, "Request bodies held at once, all together; beyond it `overloaded`"),
    defaultTimeoutMs: setting(milliseconds(), 10_000, "Deadline of a search that asks for none"),
    defaultWriteTimeoutMs: setting(milliseconds(), 60_000, "The same for writing documents and warming"),
    maxTimeoutMs: setting(milliseconds(600_000), 600_000, "Longest deadline that a request can ask for"),
    maxConnections: setting(count(), 4_096, "Open connections; one more is closed at once"),
    maxHeaderBytes: setting(bytes(MIB), 16 * KIB, "Largest head of a request"),
    headersTimeoutMs: setting(milliseconds(), 10_000, "Time a request's head may take to arrive"),
    requestTimeoutMs: setting(milliseconds(), 60_000, "Time a whole request may take to arrive"),
    keepAliveTimeoutMs: setting(milliseconds(), 65_000, "Time a connection stays open between requests"),
  },

  drain: {
    graceMs: setting(z.int().min(0).max(600_000), 1_000, "After SIGTERM, requests that still arrive are served for this long"),
    limitMs: setting(milliseconds(600_000), 20_000, "After it whatever still runs is let go and the process ends"),
  },

  catalog: {
    maxCollections: setting(count(), 20_000, "Collections on one node"),
    maxAliases: setting(count(), 20_000, "Aliases on one node"),
  },

  vectorStore: {
    callTimeoutMs: setting(milliseconds(600_000), 30_000, "Longest call; a request's own deadline is usually shorter"),
    minVectorIndexRows: setting(count(1_000_000_000), 10_000, "Rows from which on a graph answers instead of an exact scan"),
    retentionMs: setting(milliseconds(), 60_000, "How long a state of a table stays readable after the next one"),
    maxOpenTables: setting(count(100_000), 256, "Tables held open, each with its caches"),
  },

  documentStore: {
    callTimeoutMs: setting(milliseconds(600_000), 30_000, "Longest call; a request's own deadline is usually shorter"),
    busyTimeoutMs: setting(milliseconds(600_000), 5_000, "Time a statement waits for another one's lock"),
    maxQueue: setting(count(), 1_000, "Calls that wait for each of the two threads"),
  },

  embeddingCalls: {
    callTimeoutMs: setting(milliseconds(600_000), 30_000, "Longest call of the model"),
    windowMs: setting(
      z.int().min(0).max(1_000),
      0,
      "How long the first text of a batch waits for company; 0: for those of the same moment",
    ),
    maxWaitingTexts: setting(count(), 10_000, "Texts that wait for the model; beyond it `overloaded`"),
    maxConcurrentCalls: setting(count(1_000), 2, "Calls of the model at once"),
  },

  retriever: {
    maxBytes: setting(bytes(), 512 * MIB, "Memory of all warm retrievers together, as they count it; the least recently used makes room"),
    maxActive: setting(count(), 256, "Retrievers kept warm at once"),
    idleMs: setting(milliseconds(30 * 86_400_000), 900_000, "A retriever that nobody asked for this long is passivated"),
    warmCollections: setting(z.int().min(0).max(10_000), 16, "Recently used collections that are warmed at start, besides pinned ones"),
    maxActivations: setting(count(1_000), 4, "Activations running at once"),
    activationTimeoutMs: setting(milliseconds(600_000), 15_000, "Time an activation may take"),
    warmLimitMs: setting(milliseconds(600_000), 5_000, "Time that opening tables and a first search may take when a retriever starts"),
    maxPassageBytes: setting(z.int().min(0), 8 * MIB, "Passages that one retriever keeps because they were answers before; 0: none"),
    embedShare: setting(share, 0.5, "Share of a query's remaining time that embedding may take"),
    retrieveShare: setting(share, 0.9, "Share of a query's remaining time that a branch may take, embedding included"),
    parentsShare: setting(share, 0.5, "Share of a query's remaining time that fetching parents may take"),
    stragglerFactor: setting(z.number().min(1).max(1_000), 4, "Once a branch has answered, others get this many times their usual p95 ..."),
    minStragglerMs: setting(z.int().min(0).max(600_000), 250, "... and at least this"),
    useFlushIntervalMs: setting(milliseconds(), 10_000, "Pause between two notes of which collections were used"),
  },

  cache: {
    answerBytes: setting(z.int().min(0), 64 * MIB, "Memory for answers; 0: none are kept"),
    answerTtlMs: setting(milliseconds(), 300_000, "Longest life of a cached answer; a changed index ends it sooner"),
    queryEmbeddingBytes: setting(z.int().min(0), 32 * MIB, "Memory for vectors of queries; 0: none are kept"),
    documentEmbeddingBytes: setting(z.int().min(0), 32 * MIB, "Memory for vectors of documents; 0: none are kept"),
  },

  ingest: {
    maxDocumentBytes: setting(bytes(), 16 * MIB, "Largest document as it was sent"),
    maxTextCharacters: setting(count(1_000_000_000), 4_000_000, "Longest text that a document may be parsed to"),
    maxArchiveEntries: setting(count(), 2_000, "Files inside one DOCX"),
    maxUnpackedBytes: setting(bytes(), 128 * MIB, "All files of one DOCX together, unpacked"),
    maxPages: setting(count(), 2_000, "Pages of one PDF"),
    parseTimeoutMs: setting(milliseconds(600_000), 20_000, "Time that parsing one document may take"),
    batchDocuments: setting(count(1_000), 512, "Documents indexed in one step"),
    batchBytes: setting(bytes(), 4 * MIB, "Sources read for one step, about"),
    maxOpenJobs: setting(count(), 1_000, "Jobs that wait or run; beyond it `overloaded`"),
    workers: setting(count(64), 1, "Threads that parse and chunk"),
  },

  janitor: {
    intervalMs: setting(milliseconds(), 60_000, "Pause between two rounds of upkeep, jittered"),
    maxExpiredDocuments: setting(count(100_000), 1_000, "Documents past their time to live removed in one round and collection"),
    minRowsToOptimize: setting(
      count(100_000_000),
      200,
      "Rows changed since the last optimisation of an index that make the next one worthwhile",
    ),
  },

  coordinator: {
    intervalMs: setting(milliseconds(60_000), 100, "Pause between two looks at the services"),
    failAfterMs: setting(z.int().min(0).max(600_000), 0, "A service must be away this long before the mode follows"),
    recoverAfterMs: setting(z.int().min(0).max(600_000), 2_000, "A service must be back this long before the mode follows"),
  },

  metrics: {
    maxCollections: setting(count(10_000), 200, "Collections with series of their own; the others are counted together"),
    maxActors: setting(count(10_000), 300, "Actors with series of their own; the others are counted together"),
  },

  supervision: {
    retriever: childLimits({}),
    // Calls, two a search. LanceDB runs each on all cores, so that more at once only wait for one another: on two cores
    // 64 gave a fifth to two fifths fewer searches a second than 8.
    vectorStore: childLimits({ maxInFlight: 8 }),
    documentStore: childLimits({ maxInFlight: 64 }),
    embedding: childLimits({ maxInFlight: 64, startTimeoutMs: 30_000 }),
    ingest: childLimits({ maxInFlight: 64, slowCallMs: 60_000, stopGraceMs: 10_000, stopLimitMs: 15_000 }),
    janitor: childLimits({ maxInFlight: 4, slowCallMs: 600_000 }),
  },
};

/** The configuration as the rest of the node reads it: complete, checked, its paths absolute. */
export type Config = Omit<Values<typeof SETTINGS>, "auth"> & { readonly auth: "off" };
