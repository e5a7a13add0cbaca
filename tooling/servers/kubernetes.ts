import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePorts } from "./free_ports.ts";
import { KubernetesClient } from "./kubernetes_client.ts";
import { startServerProcess } from "./server_process.ts";

export interface KubernetesPrograms {
  readonly apiServer: string;
  readonly etcd: string;
}

/** A real API server without controllers: objects are checked and stored, nothing runs. */
export interface KubernetesServer {
  readonly client: KubernetesClient;
  readonly port: number;
  /** File with the certificate that it made for itself. */
  readonly certificate: string;
  /** File with the key that accounts' tokens are signed with. */
  readonly accountKey: string;
  readonly token: string;
  stop(): Promise<void>;
}

export interface KubernetesServerOptions {
  /** Whether controllers will run, which make the accounts that pods ask for. @default false */
  readonly hasControllers?: boolean;
  /** Seconds that a pod stays bound to a node that is gone. @default the server's own, 300 */
  readonly tolerationSeconds?: number;
}

const TOKEN = "test-token";
const ACCOUNT_KEY = "service_account.key";
const CERTIFICATES = "certificates";
const START_LIMIT_MS = 60_000;
const CALL_LIMIT_MS = 20_000;

/** @param folder for their data; it exists */
export async function startKubernetes(
  programs: KubernetesPrograms,
  folder: string,
  options: KubernetesServerOptions = {},
): Promise<KubernetesServer> {
  const [client, peer, port] = (await freePorts(3)) as [number, number, number];
  const database = await startEtcd(programs.etcd, folder, client, peer);
  try {
    const api = new KubernetesClient(port, TOKEN);
    const server = await startServerProcess({
      what: "kube-apiserver",
      command: programs.apiServer,
      args: apiServerFlags(folder, client, port, options),
      cwd: folder,
      log: join(folder, "apiserver.log"),
      tryOnce: async () => {
        const { status } = await api.call("GET", "/readyz");
        if (status !== 200) throw new Error(`/readyz answers ${status}`);
      },
      startLimitMs: START_LIMIT_MS,
    });
    const stop = async () => {
      await server.stop();
      await database.stop();
    };
    const certificate = join(folder, CERTIFICATES, "apiserver.crt");
    return { client: api, port, certificate, accountKey: join(folder, ACCOUNT_KEY), token: TOKEN, stop };
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

function apiServerFlags(folder: string, etcd: number, port: number, options: KubernetesServerOptions): readonly string[] {
  const keys = join(folder, ACCOUNT_KEY);
  writeFileSync(keys, generateKeyPairSync("rsa", { modulusLength: 2_048 }).privateKey.export({ type: "pkcs1", format: "pem" }), {
    mode: 0o600,
  });
  const tokens = join(folder, "tokens.csv");
  writeFileSync(tokens, `${TOKEN},admin,admin,"system:masters"\n`, { mode: 0o600 });
  const certificates = join(folder, CERTIFICATES);
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
    ...(options.hasControllers === true ? [] : ["--disable-admission-plugins=ServiceAccount"]),
    ...(options.tolerationSeconds === undefined
      ? []
      : ["not-ready", "unreachable"].map((what) => `--default-${what}-toleration-seconds=${options.tolerationSeconds}`)),
  ];
}
