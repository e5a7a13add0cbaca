import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { KubernetesClient } from "../../../tooling/servers/kubernetes_client.ts";
import type { Container, EnvironmentVariable, Pod, Volume } from "./objects.ts";

export interface PodPlace {
  readonly client: KubernetesClient;
  /** For the pod's own volumes; it need not exist. */
  readonly folder: string;
  /** As the API has it. */
  readonly reportedAddress: string;
  /** Where it really listens. */
  readonly address: string;
}

const ALL_INTERFACES = "0.0.0.0";

/**
 * Makes a pod's volumes and gathers its container's variables. Where namespaces would have made a path or the address of all interfaces true, the volume's
 * folder or the pod's own address is put in. Rejects while a ConfigMap, Secret or claim that the pod names is not there.
 */
export async function preparePod(pod: Pod, container: Container, place: PodPlace): Promise<Readonly<Record<string, string>>> {
  const mounts = new Map<string, string>();
  for (const { name, mountPath } of container.volumeMounts ?? []) {
    const volume = pod.spec.volumes?.find((one) => one.name === name);
    if (volume === undefined) throw new Error(`The pod has no volume ${name}`);
    mounts.set(mountPath, await folderOf(volume, pod, place));
  }
  const env: Record<string, string> = {};
  for (const { configMapRef, secretRef } of container.envFrom ?? []) {
    if (configMapRef !== undefined) Object.assign(env, await dataOf("configmaps", configMapRef.name, pod, place));
    if (secretRef !== undefined) Object.assign(env, await dataOf("secrets", secretRef.name, pod, place));
  }
  for (const variable of container.env ?? []) env[variable.name] = await variableValue(variable, pod, place);
  for (const [name, value] of Object.entries(env)) env[name] = value === ALL_INTERFACES ? place.address : withMounts(value, mounts);
  const temporary = mounts.get("/tmp");
  return temporary === undefined ? env : { ...env, TMPDIR: temporary };
}

function withMounts(value: string, mounts: ReadonlyMap<string, string>): string {
  for (const [path, folder] of mounts) {
    if (value === path || value.startsWith(`${path}/`)) return folder + value.slice(path.length);
  }
  return value;
}

async function variableValue({ name, value, valueFrom }: EnvironmentVariable, pod: Pod, place: PodPlace): Promise<string> {
  if (valueFrom === undefined) return value ?? "";
  const { fieldRef, configMapKeyRef, secretKeyRef } = valueFrom;
  if (fieldRef !== undefined) return fieldOf(fieldRef.fieldPath, pod, place);
  const ref = configMapKeyRef ?? secretKeyRef;
  if (ref === undefined) throw new Error(`${name} has a source that is not known here`);
  const found = (await dataOf(configMapKeyRef === undefined ? "secrets" : "configmaps", ref.name, pod, place))[ref.key];
  if (found === undefined) throw new Error(`${ref.name} has no key ${ref.key}`);
  return found;
}

function fieldOf(path: string, { metadata, spec }: Pod, place: PodPlace): string {
  const fields: Readonly<Record<string, string | undefined>> = {
    "metadata.name": metadata.name,
    "metadata.namespace": metadata.namespace,
    "metadata.uid": metadata.uid,
    "spec.nodeName": spec.nodeName,
    "status.podIP": place.reportedAddress,
  };
  const value = fields[path];
  if (value === undefined) throw new Error(`The field ${path} is not known here`);
  return value;
}

/** Of a ConfigMap as it is, of a Secret decoded. */
async function dataOf(
  kind: "configmaps" | "secrets",
  name: string,
  pod: Pod,
  { client }: PodPlace,
): Promise<Readonly<Record<string, string>>> {
  const path = `/api/v1/namespaces/${pod.metadata.namespace}/${kind}/${name}`;
  const { data = {} } = await client.must<{ readonly data?: Readonly<Record<string, string>> }>("GET", path);
  if (kind === "configmaps") return data;
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, "base64").toString()]));
}

async function folderOf(volume: Volume, pod: Pod, place: PodPlace): Promise<string> {
  if (volume.persistentVolumeClaim !== undefined) return claimedFolder(volume.persistentVolumeClaim.claimName, pod, place);
  const folder = join(place.folder, volume.name);
  await mkdir(folder, { recursive: true });
  const files =
    volume.configMap !== undefined
      ? await dataOf("configmaps", volume.configMap.name, pod, place)
      : volume.secret !== undefined
        ? await dataOf("secrets", volume.secret.secretName, pod, place)
        : {};
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text, { mode: 0o600 });
  return folder;
}

/** Of a claim that is bound to a volume on this machine. */
async function claimedFolder(name: string, pod: Pod, { client }: PodPlace): Promise<string> {
  const path = `/api/v1/namespaces/${pod.metadata.namespace}/persistentvolumeclaims/${name}`;
  const { spec } = await client.must<{ readonly spec: { readonly volumeName?: string } }>("GET", path);
  if (spec.volumeName === undefined) throw new Error(`The claim ${name} is not bound yet`);
  const volume = await client.must<{ readonly spec: { readonly hostPath?: { readonly path: string } } }>(
    "GET",
    `/api/v1/persistentvolumes/${spec.volumeName}`,
  );
  const folder = volume.spec.hostPath?.path;
  if (folder === undefined) throw new Error(`The volume ${spec.volumeName} is none of this machine`);
  await mkdir(folder, { recursive: true });
  return folder;
}
