import { dirname } from "node:path";
import { embeddingChoice, providerChoice } from "./embedding_choice.ts";
import { parseMilvusAddresses } from "./milvus_addresses.ts";
import { parseMongoAddress } from "./mongodb_address.ts";
import { natsFiles, parseNatsAddresses } from "./nats_addresses.ts";
import { type Config, redisAddresses } from "./schema.ts";
import { DEFAULT_COLLECTOR } from "./telemetry_settings.ts";
import { tlsFiles } from "./tls_files.ts";

/**
 * Deno's permissions for serving with this configuration: what is read, written and listened on, and nothing else.
 * Three are wider than one would like. `ffi`: the stores are native add-ons, and Deno can't look inside them. `env`: unknown
 * KENNEL_ variables are refused, so all names are read. `sys`: the add-ons' loaders ask which machine this is, and threads
 * in the background lower their own priority.
 * @param root the folder that main.ts lies in
 * @param packages where node_modules really lies, which may be elsewhere behind a link
 * @param configFile the configuration's own file, which the server reads again
 * @param secretFiles and those that hold its secrets
 */
export function servePermissions(
  config: Config,
  root: string,
  packages: string,
  configFile: string,
  secretFiles: readonly string[] = [],
): readonly string[] {
  const hosts = config.http.host === "localhost" ? ["localhost", "127.0.0.1", "[::1]"] : [bracketed(config.http.host)];
  const backupFolder = config.backup.folder === "" ? [] : [config.backup.folder];
  return [
    `--allow-read=${[root, packages, config.dataDir, configFile, ...secretFiles, ...backupFolder, ...serviceFiles(config), "/etc/hosts", "/usr/bin/ldd", "/proc/self"].map(escaped).join(",")}`,
    `--allow-write=${[config.dataDir, ...backupFolder].map(escaped).join(",")}`,
    // Which hosts documents are fetched from is known only when somebody asks; the node itself checks each address.
    config.urlIngest === "on"
      ? "--allow-net"
      : `--allow-net=${[...hosts.map((host) => `${host}:${config.http.port}`), ...serviceHosts(config)].join(",")}`,
    `--allow-ffi=${escaped(packages)}`,
    "--allow-env",
    "--allow-sys=hostname,cpus,osRelease,systemMemoryInfo,networkInterfaces,uid,gid,setPriority",
  ];
}

/**
 * Certificates and keys that the services' addresses name, and what is replaced while the node runs (callers' keys, the listener's certificates): its
 * folder, since a change puts another file in place.
 */
function serviceFiles(config: Config): readonly string[] {
  const keysFolder = dirname(config.keys.file);
  return [
    ...(keysFolder === config.dataDir ? [] : [keysFolder]),
    ...(parseMongoAddress(config.mongodb.url)?.files ?? []),
    ...natsFiles(config),
    ...(config.urlFetch.caFile === "" ? [] : [config.urlFetch.caFile]),
    ...new Set(tlsFiles(config).map((file) => dirname(file))),
  ];
}

/** The services that this configuration speaks to. */
function serviceHosts(config: Config): readonly string[] {
  const milvus = (parseMilvusAddresses(config.milvus.url) ?? []).map(({ address }) => address);
  const nats = parseNatsAddresses(config.nats.url)?.servers ?? [];
  return [...providerHosts(config), ...(parseMongoAddress(config.mongodb.url)?.hosts ?? []), ...milvus, ...nats];
}

function providerHosts(config: Config): readonly string[] {
  const embedding = embeddingChoice(config);
  const isProvided = embedding.kind !== "static";
  const rescoring = providerChoice(config.rerank.embedding, config);
  const addresses = [
    ...(isProvided ? embedding.addresses.map(({ url }) => url) : []),
    ...(rescoring?.addresses ?? []).map(({ url }) => url),
    ...((isProvided || rescoring !== null) && config.redis.url !== "" ? redisAddresses(config.redis.url) : []),
    ...(providerChoice(config.chat, config)?.addresses ?? []).map(({ url }) => url),
    ...(config.rerank.url === "" ? [] : [config.rerank.url]),
    ...(config.alert.webhookUrl === "" ? [] : [config.alert.webhookUrl]),
    ...(config.tracing ? [config.traces.url || DEFAULT_COLLECTOR] : []),
  ];
  return [...new Set(addresses.map((address) => hostAndPort(new URL(address))))];
}

const DEFAULT_PORTS: Readonly<Record<string, string>> = { "http:": "80", "https:": "443", "redis:": "6379", "rediss:": "6379" };

const hostAndPort = ({ protocol, hostname, port }: URL) => `${hostname}:${port || DEFAULT_PORTS[protocol]}`;

const bracketed = (host: string) => (host.includes(":") && !host.startsWith("[") ? `[${host}]` : host);

/** A comma inside a path is written twice. */
const escaped = (path: string) => path.replaceAll(",", ",,");
