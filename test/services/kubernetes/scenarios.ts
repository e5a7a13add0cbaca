/** What happens to a Deployment in its life, each from settled to settled. None of it looks at what clients saw meanwhile. */
import type { KubernetesObject } from "../../../tooling/manifests.ts";
import { CURRENT_IMAGE, imageOf, type KennelDeployment, NAMESPACE, until } from "./kennel_deployment.ts";
import { checkMixed, pausedUpdate } from "./mixed_versions.ts";

export type Tell = (what: string) => void;

/** The overlay's autoscaler keeps at least as many. */
export const PODS = 2;
const MOST_PODS = 6;
/** A release that does not get ready is given up after so long, in place of the chart's 300 s. */
const PROGRESS_SECONDS = 20;
/** In place of the chart's 15 s before more and 300 s before fewer, and of steps of half a minute and a minute. */
const QUICK_SCALING = {
  scaleUp: { stabilizationWindowSeconds: 4, policies: [{ type: "Pods", value: 2, periodSeconds: 8 }] },
  scaleDown: { stabilizationWindowSeconds: 10, policies: [{ type: "Pods", value: 1, periodSeconds: 8 }] },
};
const GONE_MS = 120_000;

export interface Release {
  /** @default the current one */
  readonly tag?: string;
  /** Differs from release to release, so that pods are made anew. */
  readonly logLevel?: string;
  /** That the autoscaler gives each pod. @default the chart's */
  readonly requestsInFlight?: number;
}

/** As the overlay has it, but for the times above. */
export function release(
  cluster: KennelDeployment,
  { tag, logLevel = "info", requestsInFlight }: Release,
  rerankUrl: string,
): Promise<void> {
  const set = [
    `settings.KENNEL_LOG_LEVEL=${logLevel}`,
    `settings.KENNEL_RERANK_URL=${rerankUrl}`,
    ...(tag === undefined ? [] : [`image.tag=${tag}`]),
    ...(requestsInFlight === undefined ? [] : [`autoscaling.requestsInFlight=${requestsInFlight}`]),
  ];
  return cluster.deploy(set, quickened);
}

function quickened(object: KubernetesObject): KubernetesObject {
  const spec = object.spec as Readonly<Record<string, unknown>>;
  if (object.kind === "HorizontalPodAutoscaler") return { ...object, spec: { ...spec, behavior: QUICK_SCALING } };
  if (object.kind === "Deployment") return { ...object, spec: { ...spec, progressDeadlineSeconds: PROGRESS_SECONDS } };
  return object;
}

/** New pods with another setting, one after another. */
export async function rollingUpdate(cluster: KennelDeployment, next: () => Promise<void>, tell: Tell): Promise<void> {
  const before = await namesOf(cluster);
  tell("rolling update");
  await next();
  await cluster.untilSettled(PODS);
  const after = await namesOf(cluster);
  if (after.some((name) => before.includes(name))) throw new Error("A pod was not replaced");
  tell("all pods are new");
}

/** As `rollingUpdate` to another version; halfway, when one pod of it is ready beside those of the version before, `checkMixed` looks at all of them. */
export async function changeVersion(cluster: KennelDeployment, next: () => Promise<void>, mark: string, tell: Tell): Promise<void> {
  const before = await namesOf(cluster);
  tell("update to the other version");
  await pausedUpdate(cluster, next, async () => {
    tell("two versions side by side");
    const { pods, forwarded, overNats, written } = await checkMixed(cluster, mark);
    const each = Object.entries(pods).map(
      ([image, count]) => `${count} of ${image} (${forwarded[image] ?? "an unknown number of"} queries sent on)`,
    );
    tell(`${each.join(" and ")} have found all ${written} documents that they have taken; ${overNats} questions over NATS were answered`);
  });
  await cluster.untilSettled(PODS);
  const after = await namesOf(cluster);
  if (after.some((name) => before.includes(name))) throw new Error("A pod was not replaced");
  tell("all pods are new");
}

/** One pod is deleted as `kubectl delete pod` does it. */
export async function deletePod(cluster: KennelDeployment, tell: Tell): Promise<void> {
  const [name = ""] = await namesOf(cluster);
  tell("a pod is deleted");
  await cluster.client.must("DELETE", `/api/v1/namespaces/${NAMESPACE}/pods/${name}`);
  await untilReplaced(cluster, name);
  tell("another has its place");
}

/** One pod's process is killed; its kubelet starts another. */
export async function killProcess(cluster: KennelDeployment, tell: Tell): Promise<void> {
  const [name = ""] = await namesOf(cluster);
  const restartsOf = async () =>
    (await cluster.pods()).find((pod) => pod.metadata.name === name)?.status?.containerStatuses?.[0]?.restartCount;
  tell("a pod's process is killed");
  cluster.killContainer(name);
  await until("it has been restarted", async () => (await restartsOf()) === 1);
  await cluster.untilSettled(PODS);
  tell("it runs again");
}

/** @returns what the eviction API said of a second pod while the first was on its way: 429, since the disruption budget allows one at a time */
export async function drainMachine(cluster: KennelDeployment, tell: Tell): Promise<number> {
  const [first, second] = await cluster.readyPods();
  const machine = first?.spec.nodeName ?? "";
  tell(`${machine} is drained`);
  await cluster.cordon(machine, true);
  const names = (await cluster.readyPods()).filter((pod) => pod.spec.nodeName === machine).map(({ metadata }) => metadata.name);
  let refusal = 0;
  for (const name of names) {
    await until(`${name} may go`, async () => (await cluster.evict(name)) === 201);
    if (refusal === 0 && second !== undefined) refusal = await cluster.evict(second.metadata.name);
    await untilReplaced(cluster, name);
  }
  await cluster.cordon(machine, false);
  tell("its pods are elsewhere");
  return refusal;
}

/** A machine loses power: its pods stop at once, and Kubernetes learns of it by its silence. It comes back when they have been replaced. */
export async function loseMachine(cluster: KennelDeployment, tell: Tell): Promise<void> {
  const [lost] = await cluster.readyPods();
  const machine = lost?.spec.nodeName ?? "";
  const number = Number(/\d+$/.exec(machine)?.[0]);
  tell(`${machine} loses power`);
  await cluster.crashMachine(number);
  await until("it is known to be away", async () => !(await isReadyMachine(cluster, machine)));
  tell("Kubernetes has noticed");
  await until("its pods have successors", async () => {
    const ready = await cluster.readyPods();
    return ready.length >= PODS && ready.every((pod) => pod.spec.nodeName !== machine);
  });
  tell("its pods have successors");
  await cluster.startMachine(number);
  await until("it is back", () => isReadyMachine(cluster, machine));
  await cluster.untilSettled(PODS);
  tell(`${machine} is back`);
}

async function isReadyMachine(cluster: KennelDeployment, name: string): Promise<boolean> {
  const node = await cluster.client.must<{ readonly status: { readonly conditions: readonly { type: string; status: string }[] } }>(
    "GET",
    `/api/v1/nodes/${name}`,
  );
  return node.status.conditions.some(({ type, status }) => type === "Ready" && status === "True");
}

/**
 * By the autoscaler, which sees how many requests pods have in flight.
 * @param sensitive gives it a target that little load goes beyond @param usual gives it back the usual one @param work adds load until the signal
 */
export async function scale(
  cluster: KennelDeployment,
  sensitive: () => Promise<void>,
  usual: () => Promise<void>,
  work: (signal: AbortSignal) => Promise<void>,
  tell: Tell,
): Promise<void> {
  const busy = new AbortController();
  tell("more is asked");
  const working = work(busy.signal);
  try {
    await sensitive();
    await cluster.untilSettled(MOST_PODS);
    tell(`${MOST_PODS} pods`);
  } finally {
    busy.abort();
    await working;
  }
  tell("as much as before is asked");
  await usual();
  await cluster.untilSettled(PODS);
  tell(`${PODS} pods`);
}

/** A release whose pods never answer their probes; then the one before again. */
export async function brokenRelease(
  cluster: KennelDeployment,
  back: () => Promise<void>,
  next: () => Promise<void>,
  tell: Tell,
): Promise<void> {
  // It listens where nobody looks for it.
  cluster.images.set("kennel:broken", imageOf(cluster.images.get(CURRENT_IMAGE)?.folder ?? "", { KENNEL_HTTP_PORT: "7401" }));
  const before = await namesOf(cluster);
  tell("a release that never gets ready");
  await next();
  await until("the release is given up", async () => {
    const { conditions = [] } = (await cluster.deployment()).status;
    return conditions.some(({ type, reason }) => type === "Progressing" && reason === "ProgressDeadlineExceeded");
  });
  const ready = (await cluster.readyPods()).map(({ metadata }) => metadata.name);
  if (!before.every((name) => ready.includes(name))) throw new Error("A pod of the release before is not ready");
  tell("it is given up");
  await back();
  await cluster.untilSettled(PODS);
  tell("the one before again");
}

async function namesOf(cluster: KennelDeployment): Promise<readonly string[]> {
  return (await cluster.readyPods()).map(({ metadata }) => metadata.name);
}

async function untilReplaced(cluster: KennelDeployment, name: string): Promise<void> {
  await until(`${name} is gone`, async () => !(await cluster.pods()).some((pod) => pod.metadata.name === name), GONE_MS);
  await cluster.untilSettled(PODS);
}
