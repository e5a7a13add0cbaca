import { z } from "zod";
import { ACCESS_SETTINGS, KEY_LIMIT_SETTINGS, NATS_CALLOUT_SETTINGS } from "./access_settings.ts";
import { childLimits } from "./child_limits.ts";
import { FLAG_SETTINGS } from "./flags.ts";
import { MODEL_SETTINGS } from "./model_settings.ts";
import { parseNatsAddresses } from "./nats_addresses.ts";
import { RETRIEVAL_SETTINGS } from "./retrieval_settings.ts";
import { secret, setting, type Values } from "./setting.ts";
import { STORE_SETTINGS } from "./store_settings.ts";
import { TELEMETRY_SETTINGS } from "./telemetry_settings.ts";
import { URL_FETCH_SETTINGS } from "./url_fetch_settings.ts";
import { bytes, count, KIB, MIB, milliseconds, ratio, share } from "./value_types.ts";

/** Levels of pino's log lines; `silent` writes none. */
export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export const PROFILES = ["development", "test", "production"] as const;
export type Profile = (typeof PROFILES)[number];

/** `*`, or one origin of a web page: scheme, host, port. */
const origin = z
  .string()
  .refine((value) => value === "*" || isOrigin(value), { error: 'expected "*" or an origin like "https://app.example.com"' });

/** Of `redis.url`, the preferred one first. */
export function redisAddresses(urls: string): readonly string[] {
  return urls.split(",").map((url) => url.trim());
}

function isRedisAddress(url: string): boolean {
  return URL.canParse(url) && ["redis:", "rediss:"].includes(new URL(url).protocol);
}

function isPlainWebAddress(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol, username, password } = new URL(url);
  return ["http:", "https:"].includes(protocol) && username === "" && password === "";
}

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
  ...TELEMETRY_SETTINGS,
  auth: setting(
    z.enum(["auto", "off", "required"]),
    "auto",
    "Whether callers need a key (`kennel keys create`); `auto`: off on a loopback host, required on any other",
  ),
  keys: {
    file: setting(
      z.string(),
      "",
      "File of the keys' hashes; nodes of a cluster share one, on a common volume or as a mounted secret. Empty: `keys.json` in the data folder",
    ),
    checkMs: setting(
      z.int().min(100).max(60_000),
      1_000,
      "Pause between two looks at that file: how long a key that was revoked may still be taken",
    ),
    ...KEY_LIMIT_SETTINGS,
  },

  ...ACCESS_SETTINGS,

  embedding: setting(
    z
      .string()
      .regex(
        /^(static|openai:[A-Za-z0-9._/:-]{1,128}|azure:[A-Za-z0-9._-]{1,64}(,[A-Za-z0-9._-]{1,64}){0,15})$/,
        'expected "static", "openai:MODEL" or "azure:DEPLOYMENT" (several of one model with commas)',
      ),
    "static",
    "Model that turns text into vectors: `static` is built in and needs no network, `openai:MODEL` is OpenAI's or that of any server that speaks its protocol, `azure:DEPLOYMENT` is Azure's; several deployments of one model with commas. A collection keeps the model it was made with",
  ),
  chat: setting(
    z
      .string()
      .regex(
        /^(|openai:[A-Za-z0-9._/:-]{1,128}|azure:[A-Za-z0-9._-]{1,64}(,[A-Za-z0-9._-]{1,64}){0,15})$/,
        'expected nothing, "openai:MODEL" or "azure:DEPLOYMENT" (several of one model with commas)',
      ),
    "",
    "Language model: `openai:MODEL` is OpenAI's or that of any server that speaks its protocol, `azure:DEPLOYMENT` is Azure's, at the addresses and with the keys of `openai` and `azure`. Empty: none",
  ),
  loadDocumentation: setting(z.boolean(), true, "Whether a first start loads Kennel's own documentation as the collection `kennel`"),

  http: {
    host: setting(z.string().min(1), "127.0.0.1", "Address to listen on"),
    port: setting(z.int().min(0).max(65_535), 7_400, "Port to listen on; 0: any free one"),
    corsOrigins: setting(z.array(origin), [], "Origins of web pages that may call the API, with commas; `*`: all"),
    allowedHosts: setting(
      z.array(
        z
          .string()
          .regex(/^(\*|[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?)$/, 'expected a host\'s name like "kennel.example.com", or "*"'),
      ),
      [],
      "Names that a request may call this node by, with commas, so that no page's name can be made to lead here (DNS rebinding); `*`: any. On a loopback address `localhost` and loopback addresses are known already, on any other one no name is asked about unless some are set",
    ),
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
    limitMs: setting(
      milliseconds(600_000),
      20_000,
      "Limit of each of the drain's three steps (requests, their connections, actors); what still runs then is let go. What kills the process must wait for `drain.graceMs` + 3 × this + 5 s",
    ),
  },

  catalog: {
    maxCollections: setting(count(), 20_000, "Collections on one node"),
    maxAliases: setting(count(), 20_000, "Aliases on one node"),
  },

  ...STORE_SETTINGS,

  ...MODEL_SETTINGS,

  uploads: {
    maxFiles: setting(count(1_000_000), 10_000, "Files that were sent before it was said which collection they belong to"),
    maxBytes: setting(bytes(), 256 * MIB, "All of them together, in the data folder"),
    maxAgeMs: setting(milliseconds(30 * 86_400_000), 86_400_000, "Time that such a file is kept"),
  },

  urlIngest: setting(
    z.enum(["off", "on"]),
    "off",
    "Whether callers may have documents fetched by URL, from the hosts that `urlFetch.hosts` lists",
  ),

  ...URL_FETCH_SETTINGS,

  rerank: {
    url: secret(
      z.string().refine((url) => url === "" || isPlainWebAddress(url), {
        error: 'expected an address without a password, like "https://api.cohere.com/v2/rerank"',
      }),
      "",
      "Service that ranks candidates anew: the address that takes Cohere's request of version 2. Empty: none",
    ),
    embedding: setting(
      z
        .string()
        .regex(
          /^(|openai:[A-Za-z0-9._/:-]{1,128}|azure:[A-Za-z0-9._-]{1,64}(,[A-Za-z0-9._-]{1,64}){0,15})$/,
          'expected nothing, "openai:MODEL" or "azure:DEPLOYMENT" (several of one model with commas)',
        ),
      "",
      "A second, stronger embedding model that ranks candidates anew in place of a service, at the addresses and with the keys of `openai` and `azure`. Its vectors of passages are kept in the data folder and in Redis. Empty: none",
    ),
    weight: setting(ratio, 1, "Share of the service's score in the new one; the rest is the first ranking's"),
    embeddingWeight: setting(ratio, 0.5, "The same for the second embedding model"),
    apiKey: secret(z.string().max(10_000), "", "Key of the service, sent as a bearer's; empty: none is sent"),
    model: setting(z.string().min(1).max(128), "rerank-v3.5", "Model that the service is asked for"),
    callTimeoutMs: setting(milliseconds(600_000), 5_000, "Longest call; a request's own deadline is usually shorter"),
    maxConnections: setting(count(1_000), 8, "Connections to the service, at most"),
    maxWaiting: setting(count(), 1_000, "Calls that wait for a connection; beyond it `overloaded`"),
    idleMs: setting(milliseconds(), 60_000, "Time after which an unused connection is closed"),
    connectTimeoutMs: setting(milliseconds(600_000), 2_000, "Time that opening a connection may take"),
  },

  redis: {
    url: secret(
      z.string().refine((urls) => urls === "" || redisAddresses(urls).every(isRedisAddress), {
        error: 'expected an address like "redis://user:password@host:6379"',
      }),
      "",
      "Redis in which nodes share the embeddings that a provider has made, and answers where a collection says so; with commas further ones to move to while it is away. Empty: none",
    ),
    keyPrefix: setting(
      z.string().regex(/^[\x21-\x7e]{1,64}$/, "expected 1 to 64 visible characters"),
      "kennel:embedding",
      "How its keys start",
    ),
    answerKeyPrefix: setting(
      z.string().regex(/^[\x21-\x7e]{1,64}$/, "expected 1 to 64 visible characters"),
      "kennel:answer",
      "How the keys of answers start, of collections with `share_answers`; they are kept for `cache.answerTtlMs`",
    ),
    ttlMs: setting(milliseconds(365 * 86_400_000), 30 * 86_400_000, "Time an embedding is kept"),
    readTimeoutMs: setting(milliseconds(60_000), 50, "Longest wait for Redis before the provider is asked instead"),
    writeTimeoutMs: setting(milliseconds(60_000), 2_000, "Longest write, in the background"),
    connectTimeoutMs: setting(milliseconds(60_000), 500, "Time that connecting may take"),
    maxWaitingWrites: setting(count(), 4_096, "Embeddings that wait to be written; beyond it they are not kept"),
  },

  nats: {
    url: secret(
      z.string().refine((urls) => parseNatsAddresses(urls) !== null, {
        error: 'expected an address like "nats://user:password@host:4222" or "tls://host:4222", several of one cluster with commas',
      }),
      "",
      "NATS, over which clients ask the service `kennel` and nodes with the same stores are one cluster; name every server of a cluster, with commas. Empty: none",
    ),
    user: setting(z.string().max(256), "", "User that NATS knows this node by, where the address names none"),
    password: secret(z.string().max(10_000), "", "The user's password"),
    nkeyFile: setting(z.string(), "", "File with the seed of this node's nkey, in place of user and password"),
    credsFile: setting(z.string(), "", "File with this node's token and seed as `nsc` writes it, in place of user and password"),
    caFile: setting(z.string(), "", "Certificates (PEM) that the servers' are signed by; empty: those that the system trusts"),
    certFile: setting(z.string(), "", "This node's own certificate (PEM), where the servers ask for one"),
    keyFile: setting(z.string(), "", "The certificate's key (PEM)"),
    tlsName: setting(z.string().max(253), "", "Name that the servers' certificates carry, where it is not that of their addresses"),
    connectTimeoutMs: setting(milliseconds(600_000), 2_000, "Time that connecting to one server may take"),
    pingIntervalMs: setting(
      milliseconds(600_000),
      1_000,
      "Pause between two pings; a server that leaves two in a row unanswered is given up",
    ),
    reconnectMs: setting(milliseconds(600_000), 100, "Pause before the second attempt to connect, doubled with each; jittered"),
    maxReconnectMs: setting(milliseconds(600_000), 2_000, "Longest pause between two attempts"),
    inboxPrefix: setting(
      z.string().regex(/^[A-Za-z0-9_-]{1,64}(\.[A-Za-z0-9_-]{1,64}){0,7}$/, "expected a subject like _INBOX"),
      "_INBOX",
      "What subjects of answers to this node begin with, where its user may not use `_INBOX`",
    ),
    ...NATS_CALLOUT_SETTINGS,
    streamCheckMs: setting(milliseconds(), 60_000, "Pause between two looks whether a stream captures the subjects of questions"),
  },

  cluster: {
    meshNodes: setting(
      count(4_096),
      300,
      "Nodes of a cluster up to which each hears every other one's heartbeats. Of more each hears those of its group, and of the other groups what one node of each tells of all of them; 4096: never. Nodes need not agree",
    ),
  },

  ...RETRIEVAL_SETTINGS,

  ingest: {
    maxDocumentBytes: setting(bytes(), 16 * MIB, "Largest document as it was sent"),
    maxTextCharacters: setting(count(1_000_000_000), 4_000_000, "Longest text that a document may be parsed to"),
    maxArchiveEntries: setting(count(), 2_000, "Files inside one DOCX"),
    maxUnpackedBytes: setting(bytes(), 128 * MIB, "All files of one DOCX together, unpacked"),
    maxPages: setting(count(), 2_000, "Pages of one PDF"),
    parseTimeoutMs: setting(milliseconds(600_000), 20_000, "Time that parsing one document may take"),
    batchDocuments: setting(count(1_000), 128, "Documents indexed in one step"),
    batchBytes: setting(bytes(), 4 * MIB, "Sources read for one step, about"),
    maxOpenJobs: setting(count(), 1_000, "Jobs that wait or run, of all nodes with the same document store; beyond it `overloaded`"),
    maxDeliveries: setting(
      count(1_000),
      5,
      "Times that a job of several nodes is handed out, where it fails each time for no outage's reason, before it is given up",
    ),
    workers: setting(count(64), 1, "Threads that parse and chunk"),
  },

  reindex: {
    margin: setting(
      share,
      0.01,
      "By how much the mean nDCG@10 of judged queries may fall for a new build still to be switched to by itself",
    ),
    minOverlap: setting(
      share,
      0.5,
      "Share of the first ten documents that a new build and the one before must have in common, where nothing is judged, for it to be switched to by itself",
    ),
    compareQueries: setting(
      z.int().min(0).max(1_000),
      100,
      "Queries asked most of late that builds are compared with where nothing is judged; as many as `retriever.warmQueries` are kept. 0: none",
    ),
    keepMs: setting(
      z
        .int()
        .min(0)
        .max(30 * 86_400_000),
      3_600_000,
      "Time for which the build that is not searched is kept up after a switch, so that one call leads back; each document is indexed twice meanwhile. 0: it is not",
    ),
  },

  janitor: {
    intervalMs: setting(milliseconds(), 60_000, "Pause between two runs of each task of upkeep, jittered"),
    maxExpiredDocuments: setting(count(100_000), 1_000, "Documents past their time to live removed in one run and collection"),
    minRowsToOptimize: setting(
      count(100_000_000),
      200,
      "Rows changed since the last optimisation of an index that make the next one worthwhile",
    ),
    orphanIntervalMs: setting(milliseconds(), 3_600_000, "Pause between two looks for what nothing refers to any more, jittered"),
    memoryIntervalMs: setting(milliseconds(), 2_000, "Pause between two looks at the process' memory, see `resident.highWater`"),
    maxUsageCollections: setting(count(100_000), 10_000, "Collections whose searches are counted over restarts"),
  },

  backup: {
    folder: setting(
      z.string(),
      "",
      "Folder in which the node makes backups of its embedded document store by itself, on another disk than the data folder; empty: it makes none",
    ),
    intervalMs: setting(milliseconds(30 * 86_400_000), 86_400_000, "Age of the newest backup from which on the next one is made"),
    keep: setting(count(10_000), 7, "Newest backups that are kept"),
  },

  coordinator: {
    intervalMs: setting(milliseconds(60_000), 100, "Pause between two looks at the services"),
    failAfterMs: setting(z.int().min(0).max(600_000), 0, "A service must be away this long before the mode follows"),
    recoverAfterMs: setting(z.int().min(0).max(600_000), 1_500, "A service must be back this long before the mode follows"),
  },

  flags: FLAG_SETTINGS,

  supervision: {
    retriever: childLimits({}),
    // Calls, two a search. LanceDB runs each on all cores, so that more at once only wait for one another: on two cores
    // 64 gave a fifth to two fifths fewer searches a second than 8.
    vectorStore: childLimits({ maxInFlight: 8 }),
    documentStore: childLimits({ maxInFlight: 64 }),
    embedding: childLimits({ maxInFlight: 64, startTimeoutMs: 30_000 }),
    // Nobody waits long for a cache, so a few late answers say enough.
    embeddingCache: childLimits({ maxInFlight: 256, minCalls: 10, slowCallMs: 500, probeTimeoutMs: 500, probeIntervalMs: 2_000 }),
    // A call lasts as long as its answer is written and read; each probe is paid for.
    languageModel: childLimits({ maxInFlight: 64, minCalls: 10, slowCallMs: 60_000, probeTimeoutMs: 10_000, probeIntervalMs: 30_000 }),
    reranker: childLimits({ maxInFlight: 64, minCalls: 10, slowCallMs: 2_000, probeIntervalMs: 30_000 }),
    ingest: childLimits({ maxInFlight: 64, slowCallMs: 60_000, stopGraceMs: 10_000, stopLimitMs: 15_000 }),
    janitor: childLimits({ maxInFlight: 4, slowCallMs: 600_000 }),
  },
};

/** The configuration as the rest of the node reads it: complete, checked, its paths absolute. */
export type Config = Omit<Values<typeof SETTINGS>, "auth"> & { readonly auth: "off" | "required" };
