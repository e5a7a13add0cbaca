import { z } from "zod";
import { parseMilvusAddresses } from "./milvus_addresses.ts";
import { parseMongoAddress } from "./mongodb_address.ts";
import { secret, setting } from "./setting.ts";
import { bytes, count, MIB, milliseconds } from "./value_types.ts";

/** The vector store and the document store, embedded and as servers. */
export const STORE_SETTINGS = {
  vectorStore: {
    callTimeoutMs: setting(milliseconds(600_000), 30_000, "Longest call; a request's own deadline is usually shorter"),
    minVectorIndexRows: setting(count(1_000_000_000), 10_000, "Rows from which on a graph answers instead of an exact scan"),
    retentionMs: setting(milliseconds(), 60_000, "How long a state of a table stays readable after the next one"),
    maxOpenTables: setting(count(100_000), 256, "Tables held open"),
    indexCacheBytes: setting(bytes(), 512 * MIB, "Parts of LanceDB's indexes that are kept in memory"),
    metadataCacheBytes: setting(bytes(), 64 * MIB, "Heads of LanceDB's files that are kept in memory"),
  },

  milvus: {
    url: secret(
      z.string().refine((url) => parseMilvusAddresses(url) !== null, {
        error: 'expected an address like "http://user:password@host:19530", several of one Milvus with commas',
      }),
      "",
      "Milvus as the vector store; of several addresses of one Milvus, with commas, the first that answers is used, and again once it is back. Empty: LanceDB in the data folder",
    ),
    database: setting(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,254}$/), "default", "Database in Milvus that holds the collections"),
    minPoolSize: setting(z.int().min(0).max(1_000), 2, "Channels to Milvus kept open"),
    maxPoolSize: setting(count(1_000), 10, "Channels to Milvus at most, each with one request in flight"),
    maxWaiting: setting(count(), 1_000, "Requests that wait for a channel; beyond it they fail"),
    requestTimeoutMs: setting(milliseconds(600_000), 10_000, "Longest single request to Milvus; a call may take several"),
    indexType: setting(z.enum(["HNSW", "FLAT"]), "HNSW", "Index of new collections: a graph, or every vector compared"),
    m: setting(z.int().min(4).max(64), 16, "Neighbours of each node of the graph"),
    efConstruction: setting(z.int().min(8).max(512), 200, "Candidates weighed when a vector joins the graph"),
    efSearch: setting(z.int().min(1).max(10_000), 128, "Candidates weighed in a search, at least; never fewer than it asks for"),
  },

  documentStore: {
    callTimeoutMs: setting(milliseconds(600_000), 30_000, "Longest call; a request's own deadline is usually shorter"),
    busyTimeoutMs: setting(milliseconds(600_000), 5_000, "Time a statement waits for another one's lock"),
    maxQueue: setting(count(), 1_000, "Calls that wait for each of the two threads"),
  },

  mongodb: {
    url: secret(
      z.string().refine((url) => url === "" || parseMongoAddress(url) !== null, {
        error: 'expected an address like "mongodb://user:password@host:27017,host:27017/database?replicaSet=name"',
      }),
      "",
      "MongoDB as the document store; name every server of a replica set. Empty: a file in the data folder",
    ),
    startWaitMs: setting(milliseconds(), 10_000, "A start waits this long for MongoDB; after it the node serves without, until it comes"),
    maxPoolSize: setting(count(1_000), 16, "Connections to one server, at most"),
    minPoolSize: setting(z.int().min(0).max(1_000), 2, "Connections to one server that are kept open"),
    maxIdleMs: setting(milliseconds(), 300_000, "A connection unused for longer is closed"),
    waitQueueTimeoutMs: setting(milliseconds(600_000), 2_000, "Time a call waits for a connection; beyond it `overloaded`"),
    connectTimeoutMs: setting(milliseconds(600_000), 1_000, "Time that opening a connection may take"),
    serverSelectionTimeoutMs: setting(milliseconds(600_000), 2_000, "Time a call waits for a server that can take it"),
    heartbeatMs: setting(z.int().min(500).max(600_000), 2_000, "Pause between two looks at each server"),
    socketTimeoutMs: setting(milliseconds(600_000), 10_000, "A connection on which an answer is due for this long is given up"),
    leaseMs: setting(
      z.int().min(1_000).max(600_000),
      10_000,
      "A node that dies while it writes to a collection holds up the others' writes to it for this long",
    ),
  },
};
