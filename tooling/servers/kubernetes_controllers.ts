import { mkdirSync, writeFileSync } from "node:fs";
import { get } from "node:https";
import { join } from "node:path";
import { freePorts } from "./free_ports.ts";
import type { KubernetesServer } from "./kubernetes.ts";
import { type ServerProcess, startServerProcess } from "./server_process.ts";

export interface ControllerPrograms {
  readonly controllerManager: string;
  readonly scheduler: string;
}

export interface ControllerOptions {
  /** Silence after which a node is taken for gone. */
  readonly nodeGraceSeconds: number;
  /** Pause between two looks of an autoscaler at its metric. */
  readonly autoscalerSyncSeconds: number;
}

const START_LIMIT_MS = 60_000;
const ASK_LIMIT_MS = 5_000;

/**
 * The real controllers (Deployment, ReplicaSet, StatefulSet, HorizontalPodAutoscaler, disruption, EndpointSlice, node lifecycle and the others) and the
 * real scheduler, at work on a server that was started for them.
 * @param folder for their certificates and what they write; it exists
 */
export async function startControllers(
  programs: ControllerPrograms,
  server: KubernetesServer,
  folder: string,
  options: ControllerOptions,
): Promise<{ stop(): Promise<void> }> {
  const config = join(folder, "kubeconfig.json");
  writeFileSync(config, JSON.stringify(kubeconfig(server)), { mode: 0o600 });
  const managed = [
    `--service-account-private-key-file=${server.accountKey}`,
    `--root-ca-file=${server.certificate}`,
    `--node-monitor-grace-period=${options.nodeGraceSeconds}s`,
    "--node-monitor-period=1s",
    `--horizontal-pod-autoscaler-sync-period=${options.autoscalerSyncSeconds}s`,
  ];
  const started = await Promise.allSettled([
    start("kube-controller-manager", programs.controllerManager, config, folder, managed),
    start("kube-scheduler", programs.scheduler, config, folder, []),
  ]);
  const processes = started.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  const stop = async () => void (await Promise.all(processes.map((one) => one.stop())));
  for (const one of started) {
    if (one.status === "fulfilled") continue;
    await stop();
    throw one.reason;
  }
  return { stop };
}

async function start(name: string, command: string, config: string, folder: string, more: readonly string[]): Promise<ServerProcess> {
  const [port] = (await freePorts(1)) as [number];
  const certificates = join(folder, `${name}-certificates`);
  mkdirSync(certificates, { recursive: true });
  return startServerProcess({
    what: name,
    command,
    args: [
      ...["kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig"].map((flag) => `--${flag}=${config}`),
      "--leader-elect=false",
      "--bind-address=127.0.0.1",
      `--secure-port=${port}`,
      `--cert-dir=${certificates}`,
      ...more,
    ],
    cwd: folder,
    log: join(folder, `${name}.log`),
    tryOnce: () => isHealthy(port),
    startLimitMs: START_LIMIT_MS,
  });
}

/** With a certificate that it made for itself. */
function isHealthy(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const asked = get({ host: "127.0.0.1", port, path: "/healthz", rejectUnauthorized: false, agent: false }, (response) => {
      response.resume();
      if (response.statusCode === 200) resolve();
      else reject(new Error(`/healthz answers ${response.statusCode}`));
    });
    asked.setTimeout(ASK_LIMIT_MS, () => asked.destroy(new Error("/healthz does not answer")));
    asked.on("error", reject);
  });
}

function kubeconfig({ port, certificate, token }: KubernetesServer): object {
  return {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "test", cluster: { server: `https://127.0.0.1:${port}`, "certificate-authority": certificate } }],
    users: [{ name: "admin", user: { token } }],
    contexts: [{ name: "test", context: { cluster: "test", user: "admin" } }],
    "current-context": "test",
  };
}
