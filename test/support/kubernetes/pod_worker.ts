import { join } from "node:path";
import type { KubernetesClient } from "../../../tooling/servers/kubernetes_client.ts";
import { ContainerProcess, type Image } from "./container_process.ts";
import type { Condition, Container, Pod } from "./objects.ts";
import { type PodPlace, preparePod } from "./pod_environment.ts";
import { pause } from "./probes.ts";

export interface PodWorkerParts extends PodPlace {
  readonly images: ReadonlyMap<string, Image>;
}

/** `waiting`: for what it names, for its image, or after a crash. `ended`: nothing more is started. */
type PodState =
  | { readonly kind: "waiting"; readonly reason: string }
  | { readonly kind: "running"; readonly process: ContainerProcess; readonly startedAt: string }
  | { readonly kind: "ended"; readonly exitCode: number };

const SECOND_MS = 1_000;
const AGAIN_MS = 500;
/** The first restart comes at once, then twice as late each time. */
const BACKOFF_MS = 10_000;
const MAX_BACKOFF_MS = 300_000;
const now = () => new Date().toISOString().replace(/\.\d+Z$/, "Z");

/**
 * The life of one pod, with one container, on its node.
 *
 * Invariants:
 *   W1. A container runs at most once at a time, and none is started once the pod is to end.
 *   W2. Statuses are sent one after another, the last one holding what is true then.
 *   W3. The pod leaves the API only after its process has ended.
 */
export class PodWorker {
  readonly #pod: Pod;
  readonly #container: Container;
  readonly #parts: PodWorkerParts;
  readonly #ending = new AbortController();
  readonly #silent = new AbortController();
  readonly #startTime = now();
  readonly ended: Promise<void>;
  #state: PodState = { kind: "waiting", reason: "ContainerCreating" };
  #conditions: ReadonlyMap<string, Condition> = new Map();
  #restarts = 0;
  #isStarted = false;
  #isReady = false;
  #graceMs: number;
  #reporting: Promise<void> = Promise.resolve();
  #isReportDue = false;

  constructor(pod: Pod, parts: PodWorkerParts) {
    const [container, ...others] = pod.spec.containers;
    if (container === undefined || others.length > 0) throw new Error(`${pod.metadata.name}: pods have one container here`);
    this.#pod = pod;
    this.#container = container;
    this.#parts = parts;
    this.#graceMs = (pod.spec.terminationGracePeriodSeconds ?? 30) * SECOND_MS;
    this.ended = this.#live();
  }

  /** Ends it as its grace says, then takes it out of the API. */
  terminate(graceMs: number): void {
    if (this.#ending.signal.aborted) return;
    this.#graceMs = graceMs;
    this.#ending.abort();
    if (this.#state.kind === "running") void this.#state.process.stop(graceMs);
  }

  /** As when the process crashes. */
  killContainer(): void {
    if (this.#state.kind === "running") this.#state.process.kill();
  }

  /** As when its machine loses power: nobody is told. */
  crash(): void {
    this.#silent.abort();
    this.#ending.abort();
    this.killContainer();
  }

  async #live(): Promise<void> {
    while (!this.#ending.signal.aborted) {
      const image = this.#parts.images.get(this.#container.image);
      const env = await preparePod(this.#pod, this.#container, this.#parts).catch(() => null);
      if (image === undefined || env === null) {
        this.#enter({ kind: "waiting", reason: image === undefined ? "ErrImagePull" : "CreateContainerConfigError" });
        await pause(AGAIN_MS, this.#ending.signal);
        continue;
      }
      if (this.#ending.signal.aborted) break; // W1
      await this.#runOnce(image, env);
      if (this.#ending.signal.aborted) break;
      await this.#backOff();
    }
    await this.#leave();
  }

  async #runOnce(image: Image, env: Readonly<Record<string, string>>): Promise<void> {
    const target = { container: this.#container, address: this.#parts.address, env };
    const process = new ContainerProcess(image, target, join(this.#parts.folder, `${this.#restarts}.log`), this.#graceMs, {
      started: () => this.#see(true, this.#isReady),
      ready: (isReady) => this.#see(true, isReady),
    });
    this.#enter({ kind: "running", process, startedAt: now() });
    const exitCode = (await process.ended) ?? 137;
    this.#isStarted = false;
    this.#isReady = false;
    this.#enter({ kind: "ended", exitCode });
  }

  async #backOff(): Promise<void> {
    const waitMs = this.#restarts === 0 ? 0 : Math.min(BACKOFF_MS * 2 ** (this.#restarts - 1), MAX_BACKOFF_MS);
    this.#restarts += 1;
    if (waitMs === 0) return;
    this.#enter({ kind: "waiting", reason: "CrashLoopBackOff" });
    await pause(waitMs, this.#ending.signal);
  }

  #see(isStarted: boolean, isReady: boolean): void {
    this.#isStarted = isStarted;
    this.#isReady = isReady;
    this.#report();
  }

  #enter(state: PodState): void {
    const isSame = state.kind === "waiting" && this.#state.kind === "waiting" && state.reason === this.#state.reason;
    this.#state = state;
    if (!isSame) this.#report();
  }

  /** W3 */
  async #leave(): Promise<void> {
    if (this.#state.kind !== "ended") this.#enter({ kind: "ended", exitCode: 0 });
    await this.#reporting;
    const { namespace, name, uid } = this.#pod.metadata;
    const path = `/api/v1/namespaces/${namespace}/pods/${name}`;
    const body = { apiVersion: "v1", kind: "DeleteOptions", gracePeriodSeconds: 0, preconditions: { uid } };
    while (!this.#silent.signal.aborted) {
      const status = await this.#client.call("DELETE", path, body).then(
        (answer) => answer.status,
        () => 0,
      );
      if (status !== 0 && status < 500 && status !== 429) return; // gone, or another of its name is there
      await pause(AGAIN_MS, this.#silent.signal);
    }
  }

  get #client(): KubernetesClient {
    return this.#parts.client;
  }

  /** W2 */
  #report(): void {
    if (this.#isReportDue) return;
    this.#isReportDue = true;
    this.#reporting = this.#reporting.then(async () => {
      const { namespace, name } = this.#pod.metadata;
      while (!this.#silent.signal.aborted) {
        this.#isReportDue = false;
        const path = `/api/v1/namespaces/${namespace}/pods/${name}/status`;
        const status = await this.#client.call("PATCH", path, { status: this.#status() }, "application/strategic-merge-patch+json").then(
          (answer) => answer.status,
          () => 0,
        );
        if (status !== 0 && status < 500 && status !== 429) return;
        await pause(AGAIN_MS, this.#silent.signal);
      }
    });
  }

  #status(): object {
    const { reportedAddress } = this.#parts;
    const isPrepared = this.#state.kind !== "waiting" || this.#restarts > 0;
    this.#conditions = new Map(
      (
        [
          ["PodReadyToStartContainers", isPrepared],
          ["Initialized", true],
          ["ContainersReady", this.#isReady],
          ["Ready", this.#isReady],
        ] as const
      ).map(([type, is]) => [type, this.#condition(type, is ? "True" : "False")]),
    );
    const { image, name } = this.#container;
    const containerStatus = {
      name,
      image,
      imageID: image,
      containerID: `process://${this.#pod.metadata.uid}`,
      restartCount: this.#restarts,
      started: this.#isStarted,
      ready: this.#isReady,
      state: this.#containerState(),
    };
    return {
      phase: this.#phase(isPrepared),
      startTime: this.#startTime,
      hostIP: reportedAddress,
      podIP: reportedAddress,
      podIPs: [{ ip: reportedAddress }],
      conditions: [...this.#conditions.values()],
      containerStatuses: [containerStatus],
    };
  }

  #phase(isPrepared: boolean): string {
    if (this.#state.kind === "ended" && this.#ending.signal.aborted) return this.#state.exitCode === 0 ? "Succeeded" : "Failed";
    return isPrepared ? "Running" : "Pending";
  }

  /** When it last changed is what a Deployment counts its least seconds of readiness from. */
  #condition(type: string, status: Condition["status"]): Condition {
    const before = this.#conditions.get(type);
    return before?.status === status ? before : { type, status, lastTransitionTime: now() };
  }

  #containerState(): object {
    switch (this.#state.kind) {
      case "waiting":
        return { waiting: { reason: this.#state.reason } };
      case "running":
        return { running: { startedAt: this.#state.startedAt } };
      case "ended":
        return { terminated: { exitCode: this.#state.exitCode, reason: this.#state.exitCode === 0 ? "Completed" : "Error" } };
    }
  }
}
