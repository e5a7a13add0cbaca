import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import type { KubernetesObject } from "../manifests.ts";
import { freePorts } from "./free_ports.ts";
import { startServerProcess } from "./server_process.ts";

export interface KubernetesPrograms {
  readonly apiServer: string;
  readonly etcd: string;
}

/** What the server says of an object that was applied. */
export interface Verdict {
  readonly status: number;
  /** Why it was refused; empty: it was not. */
  readonly message: string;
  /** Of Pod Security, among others. */
  readonly warnings: readonly string[];
}

/** A real API server without controllers: objects are checked and stored, nothing runs. */
export interface KubernetesServer {
  /** Server-side apply with strict fields, into `namespace` where the object's kind has one. Rejects for a kind that the server does not know. */
  apply(object: KubernetesObject, namespace: string, isDryRun?: boolean): Promise<Verdict>;
  /** The body of a GET. */
  get(path: string): Promise<unknown>;
  stop(): Promise<void>;
}

const TOKEN = "test-token";
const START_LIMIT_MS = 60_000;
const CALL_LIMIT_MS = 20_000;

/** @param folder for their data; it exists */
export async function startKubernetes(programs: KubernetesPrograms, folder: string): Promise<KubernetesServer> {
  const [client, peer, port] = (await freePorts(3)) as [number, number, number];
  const database = await startEtcd(programs.etcd, folder, client, peer);
  try {
    const call = caller(port);
    const server = await startServerProcess({
      what: "kube-apiserver",
      command: programs.apiServer,
      args: apiServerFlags(folder, client, port),
      cwd: folder,
      log: join(folder, "apiserver.log"),
      tryOnce: async () => {
        const { status } = await call("GET", "/readyz");
        if (status !== 200) throw new Error(`/readyz answers ${status}`);
      },
      startLimitMs: START_LIMIT_MS,
    });
    const stop = async () => {
      await server.stop();
      await database.stop();
    };
    return { apply: applier(call), get: async (path) => JSON.parse((await call("GET", path)).body), stop };
  } catch (thrown) {
    await database.stop();
    throw thrown;
  }
}

function startEtcd(command: string, folder: string, client: number, peer: number) {
  const url = `http://127.0.0.1:${client}`;
  const peerUrl = `http://127.0.0.1:${peer}`;
  return startServerProcess({
    what: "etcd",
    command,
    args: [
      "--name=test",
      `--data-dir=${join(folder, "etcd")}`,
      `--listen-client-urls=${url}`,
      `--advertise-client-urls=${url}`,
      `--listen-peer-urls=${peerUrl}`,
      `--initial-advertise-peer-urls=${peerUrl}`,
      `--initial-cluster=test=${peerUrl}`,
    ],
    cwd: folder,
    log: join(folder, "etcd.log"),
    tryOnce: async () => {
      const { ok } = await fetch(`${url}/health`, { signal: AbortSignal.timeout(CALL_LIMIT_MS) });
      if (!ok) throw new Error("etcd is not healthy");
    },
    startLimitMs: START_LIMIT_MS,
  });
}

function apiServerFlags(folder: string, etcd: number, port: number): readonly string[] {
  const keys = join(folder, "service_account.key");
  writeFileSync(keys, generateKeyPairSync("rsa", { modulusLength: 2_048 }).privateKey.export({ type: "pkcs1", format: "pem" }), {
    mode: 0o600,
  });
  const tokens = join(folder, "tokens.csv");
  writeFileSync(tokens, `${TOKEN},admin,admin,"system:masters"\n`, { mode: 0o600 });
  const certificates = join(folder, "certificates");
  mkdirSync(certificates);
  return [
    `--etcd-servers=http://127.0.0.1:${etcd}`,
    "--bind-address=127.0.0.1",
    "--advertise-address=127.0.0.1",
    `--secure-port=${port}`,
    `--cert-dir=${certificates}`,
    "--endpoint-reconciler-type=none",
    "--service-cluster-ip-range=10.96.0.0/16",
    `--token-auth-file=${tokens}`,
    "--authorization-mode=RBAC",
    "--service-account-issuer=https://kubernetes.default.svc",
    `--service-account-key-file=${keys}`,
    `--service-account-signing-key-file=${keys}`,
    // No controller makes the account that it would ask for.
    "--disable-admission-plugins=ServiceAccount",
  ];
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly warnings: readonly string[];
}

type Call = (method: string, path: string, body?: string) => Promise<Answer>;

/** The server makes its own certificate; it is this machine's, and nothing secret is sent. */
function caller(port: number): Call {
  return (method, path, body) =>
    new Promise((resolve, reject) => {
      const headers = {
        authorization: `Bearer ${TOKEN}`,
        ...(body === undefined ? {} : { "content-type": "application/apply-patch+yaml" }),
      };
      const sent = request(
        { host: "127.0.0.1", port, method, path, headers, rejectUnauthorized: false, agent: false, timeout: CALL_LIMIT_MS },
        (response) => {
          let text = "";
          response.setEncoding("utf8");
          response.on("data", (part: string) => {
            text += part;
          });
          response.on("error", reject);
          response.on("end", () => {
            const warnings = [response.headers.warning ?? []].flat();
            resolve({ status: response.statusCode ?? 0, body: text, warnings });
          });
        },
      );
      sent.on("timeout", () => sent.destroy(new Error("The API server does not answer")));
      sent.on("error", reject);
      sent.end(body);
    });
}

interface Resource {
  readonly name: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

function applier(call: Call): KubernetesServer["apply"] {
  return async (object, namespace, isDryRun = false) => {
    const root = object.apiVersion.includes("/") ? `/apis/${object.apiVersion}` : `/api/${object.apiVersion}`;
    const { resources = [] } = JSON.parse((await call("GET", root)).body) as { resources?: readonly Resource[] };
    const resource = resources.find(({ kind, name }) => kind === object.kind && !name.includes("/"));
    if (resource === undefined) throw new Error(`The API server knows no ${object.kind} of ${object.apiVersion}`);
    const place = resource.namespaced ? `${root}/namespaces/${object.metadata.namespace ?? namespace}` : root;
    const query = `fieldManager=test&force=true&fieldValidation=Strict${isDryRun ? "&dryRun=All" : ""}`;
    const { status, body, warnings } = await call(
      "PATCH",
      `${place}/${resource.name}/${object.metadata.name}?${query}`,
      JSON.stringify(object),
    );
    return { status, message: status < 300 ? "" : ((JSON.parse(body) as { message?: string }).message ?? body), warnings };
  };
}
