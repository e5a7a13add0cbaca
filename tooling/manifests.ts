// npm run manifests: writes kustomize's bases, overlays and components from the chart, which is the one source of what runs in Kubernetes. A test
// compares the two. Needs helm: TEST_HELM, or the one that `npm run test:services` builds.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseAllDocuments, stringify } from "yaml";
import { ROOT, runCommand, untilInterrupted } from "./command.ts";
import { provideServices } from "./services/index.ts";
import { KUBERNETES_TOOLS } from "./services/kubernetes.ts";

export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Readonly<Record<string, string>> };
  readonly [field: string]: unknown;
}

/** Values files below k8s/values, and single values as `--set` takes them. */
export interface ChartValues {
  readonly files: readonly string[];
  readonly set?: readonly string[];
  /** The same for what is text, whatever it looks like. */
  readonly texts?: readonly string[];
}

const RELEASE = "kennel";
const NAMESPACE = "kennel";
/** The newest whose definitions the manifests are checked against. */
const KUBERNETES_VERSION = "1.36.0";
const LIMIT_MS = 60_000;
const MODES = ["embedded", "production"] as const;
/** What the components say; a user's patch puts another Secret's name in. */
export const TLS = ["tls.secretName=kennel-tls", "monitoring.caSecretName=kennel-tls"];
export const MUTUAL_TLS = ["tls.clientCaSecretName=kennel-clients", "monitoring.clientSecretName=kennel-prometheus"];
const FOLDERS = ["base", "overlays", "components"];
const HEADER = "# Made from k8s/chart: npm run manifests\n";

/** What the chart makes of these values. Rejects with what helm says is wrong with them. */
export async function renderChart(helm: string, values: ChartValues, signal: AbortSignal): Promise<readonly KubernetesObject[]> {
  const files = values.files.flatMap((name) => ["--values", join(ROOT, `k8s/values/${name}.yaml`)]);
  const set = (values.set ?? []).flatMap((value) => ["--set", value]);
  const texts = (values.texts ?? []).flatMap((value) => ["--set-string", value]);
  const args = [
    "template",
    RELEASE,
    join(ROOT, "k8s/chart"),
    "--namespace",
    NAMESPACE,
    "--kube-version",
    KUBERNETES_VERSION,
    ...files,
    ...set,
    ...texts,
  ];
  const { code, output } = await runCommand(helm, args, { timeoutMs: LIMIT_MS, signal });
  if (code !== 0) throw new Error(output);
  return parseObjects(output);
}

export function parseObjects(text: string): readonly KubernetesObject[] {
  return parseAllDocuments(text).flatMap((document) => (document.toJS() === null ? [] : [document.toJS() as KubernetesObject]));
}

/** The files below k8s/ by their path: what both modes have is the base, what differs is the overlay's, what is optional a component. */
export async function renderManifests(helm: string, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
  const render = (values: ChartValues) => renderChart(helm, values, signal);
  const [embedded, production] = await Promise.all(MODES.map((mode) => render({ files: [mode] })));
  const monitored = await render({ files: ["embedded"], set: ["monitoring.enabled=true"] });
  const byKeda = await render({ files: ["production"], set: ["autoscaling.by=keda"] });
  if (embedded === undefined || production === undefined) throw new Error("A mode was not rendered");
  const base = embedded.filter((object) => holds(production, object));
  const files = new Map<string, string>();
  const put = (folder: string, kind: "Kustomization" | "Component", objects: readonly KubernetesObject[], more: object) => {
    const resources = objects.map((object) => `${object.kind.toLowerCase()}_${object.metadata.name}.yaml`).sort();
    const above = kind === "Kustomization" && folder !== "base" ? ["../../base"] : [];
    const apiVersion = kind === "Component" ? "kustomize.config.k8s.io/v1alpha1" : "kustomize.config.k8s.io/v1beta1";
    files.set(`${folder}/kustomization.yaml`, toText({ apiVersion, kind, resources: [...above, ...resources], ...more }));
    for (const object of objects) files.set(`${folder}/${object.kind.toLowerCase()}_${object.metadata.name}.yaml`, toText(object));
  };
  put("base", "Kustomization", [namespaceObject(), ...base], {});
  for (const [place, mode] of MODES.entries()) {
    const objects = [embedded, production][place]?.filter((object) => !holds(base, object)) ?? [];
    put(`overlays/${mode}`, "Kustomization", objects, { namespace: NAMESPACE });
  }
  put(
    "components/monitoring",
    "Component",
    monitored.filter((object) => !holds(embedded, object)),
    {},
  );
  const saved = await render({ files: ["embedded"], set: ["backup.enabled=true"] });
  put(
    "components/backup",
    "Component",
    saved.filter((object) => !holds(embedded, object)),
    {},
  );
  const all = ["monitoring.enabled=true", "backup.enabled=true"];
  const [plain, tls, mutual] = await Promise.all([[], TLS, [...TLS, ...MUTUAL_TLS]].map((set) => renderBoth(render, [...all, ...set])));
  put("components/tls", "Component", [], { patches: patchesBetween(plain ?? [], tls ?? []) });
  put("components/mutual-tls", "Component", [], { patches: patchesBetween(tls ?? [], mutual ?? []) });
  const scaler = production.filter(({ kind }) => kind === "HorizontalPodAutoscaler");
  const patches = scaler.map(({ apiVersion, kind, metadata: { name } }) => ({
    patch: stringify({ $patch: "delete", apiVersion, kind, metadata: { name } }),
  }));
  put(
    "components/keda",
    "Component",
    byKeda.filter((object) => !holds(production, object)),
    { patches },
  );
  return files;
}

/** The objects of both modes, each with the mode that it is of: some have one name in both. */
async function renderBoth(
  render: (values: ChartValues) => Promise<readonly KubernetesObject[]>,
  set: readonly string[],
): Promise<readonly KubernetesObject[]> {
  return (await Promise.all(MODES.map((mode) => render({ files: [mode], set })))).flat();
}

/** Patches that make of each object of `before` the one at the same place of `after`; one for several objects that change alike. */
function patchesBetween(before: readonly KubernetesObject[], after: readonly KubernetesObject[]): readonly object[] {
  const patches = new Map<string, object>();
  for (const [place, object] of before.entries()) {
    const patch = stringify(changesBetween(object, after[place], ""), { lineWidth: 0, aliasDuplicateObjects: false });
    const { kind, metadata } = object;
    if (patch !== "[]\n") patches.set(`${kind} ${metadata.name} ${patch}`, { target: { kind, name: metadata.name }, patch });
  }
  return [...patches.values()];
}

interface Change {
  readonly op: "add" | "remove" | "replace";
  readonly path: string;
  readonly value?: unknown;
}

/** As JSON patches have it (RFC 6902); lists keep their order and grow at their ends, or are replaced. */
function changesBetween(before: unknown, after: unknown, path: string): readonly Change[] {
  if (JSON.stringify(before) === JSON.stringify(after)) return [];
  if (Array.isArray(before) && Array.isArray(after) && before.length <= after.length) {
    const added = after.slice(before.length).map((value): Change => ({ op: "add", path: `${path}/-`, value }));
    return [...before.flatMap((item, place) => changesBetween(item, after[place], `${path}/${place}`)), ...added];
  }
  if (!isRecord(before) || !isRecord(after)) return [{ op: "replace", path, value: after }];
  const pathOf = (key: string) => `${path}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((key): readonly Change[] => {
    if (!Object.hasOwn(after, key)) return [{ op: "remove", path: pathOf(key) }];
    if (!Object.hasOwn(before, key)) return [{ op: "add", path: pathOf(key), value: after[key] }];
    return changesBetween(before[key], after[key], pathOf(key));
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Where every pod must be restricted, which ours are. */
function namespaceObject(): KubernetesObject {
  const level = ["enforce", "warn", "audit"].map((mode) => [`pod-security.kubernetes.io/${mode}`, "restricted"]);
  return { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE, labels: Object.fromEntries(level) } };
}

function holds(objects: readonly KubernetesObject[], object: KubernetesObject): boolean {
  const text = JSON.stringify(object);
  return objects.some((other) => JSON.stringify(other) === text);
}

function toText(object: object): string {
  return HEADER + stringify(object, { lineWidth: 0, aliasDuplicateObjects: false });
}

/** The files that are there now. */
export function writtenManifests(): ReadonlyMap<string, string> {
  const paths = FOLDERS.flatMap((folder) =>
    readdirSync(join(ROOT, "k8s", folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name)),
  );
  return new Map(paths.map((path) => [path.slice(join(ROOT, "k8s/").length), readFileSync(path, "utf8")]));
}

if (import.meta.main) {
  const signal = untilInterrupted();
  const { TEST_HELM = "" } = await provideServices(signal, [KUBERNETES_TOOLS]);
  for (const folder of FOLDERS) rmSync(join(ROOT, "k8s", folder), { recursive: true, force: true });
  for (const [path, text] of await renderManifests(TEST_HELM, signal)) {
    const target = join(ROOT, "k8s", path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text);
  }
}
