import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { request as httpsRequest } from "node:https";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parse } from "yaml";
import { longestDrainMs } from "../../../config/drain.ts";
import { loadConfig } from "../../../config/load.ts";
import {
  type ChartValues,
  type KubernetesObject,
  MUTUAL_TLS,
  parseObjects,
  renderChart,
  renderManifests,
  TLS,
  writtenManifests,
} from "../../../tooling/manifests.ts";
import { type KubernetesServer, startKubernetes } from "../../../tooling/servers/kubernetes.ts";
import { until } from "../../journeys/caller.ts";
import { runKennel, runProcess } from "../../support/command_process.ts";
import { startKennel } from "../../support/kennel_process.ts";
import { helmPath, kubernetesDefinitions, kubernetesPrograms, kustomizePath } from "../../support/services.ts";

interface Cluster {
  folder: string;
  server: KubernetesServer | null;
}

const test = suite<Cluster>("Kubernetes manifests", { folder: "", server: null });
const K8S = fileURLToPath(new URL("../../../k8s/", import.meta.url));
const NAMESPACE = "kennel";
const signal = () => AbortSignal.timeout(120_000);
const render = (values: ChartValues) => renderChart(helmPath(), values, signal());

/** What is rendered by the chart and applied to the server, each with another part of it. */
const SETS: readonly ChartValues[] = [
  {
    files: ["embedded"],
    set: ["monitoring.enabled=true", "storage.className=fast", "backup.enabled=true", "backup.keep=3", "secretName=passwords", "auth=off"],
  },
  { files: ["production"], set: ["autoscaling.by=keda", "monitoring.enabled=true", "monitoring.labels.release=prometheus"] },
  {
    files: [],
    set: ["mode=production", "replicas=1", "networkPolicy.enabled=false", "settings.KENNEL_LOG_LEVEL=warn", "keys.secretName=keys"],
  },
  {
    files: ["production"],
    set: ["monitoring.enabled=true", ...TLS, ...MUTUAL_TLS, "settings.OTEL_EXPORTER_OTLP_ENDPOINT=http://collector.traces:4319"],
    texts: ["settings.KENNEL_TRACING=true"],
  },
];
const SWITCHES: Readonly<Record<string, readonly string[]>> = {
  monitoring: ["monitoring.enabled=true"],
  backup: ["backup.enabled=true"],
  keda: ["autoscaling.by=keda"],
  tls: TLS,
  "mutual-tls": MUTUAL_TLS,
};
const COMPONENTS = { embedded: ["monitoring", "backup", "tls"], production: ["monitoring", "keda"] } as const;
/** What else a user may put together. */
const OTHER_COMPONENTS = [
  ["embedded", []],
  ["production", []],
  ["embedded", ["tls"]],
  ["production", ["monitoring", "tls", "mutual-tls"]],
] as const;

/** As a user writes it: an overlay with components, in a folder of their own. */
async function kustomize(
  folder: string,
  mode: keyof typeof COMPONENTS,
  components: readonly string[],
): Promise<readonly KubernetesObject[]> {
  const from = (path: string) => relative(folder, join(K8S, path));
  const file = {
    resources: [from(`overlays/${mode}`)],
    components: components.map((name) => from(`components/${name}`)),
    namespace: NAMESPACE,
  };
  await writeFile(join(folder, "kustomization.yaml"), JSON.stringify(file));
  const { exitCode, out, err } = await runProcess(kustomizePath(), [folder], {}).ended;
  assert.is(exitCode, 0, err);
  return parseObjects(out);
}

const idOf = ({ kind, metadata }: KubernetesObject) => `${kind} ${metadata.name}`;
const byId = (objects: readonly KubernetesObject[]) => [...objects].sort((left, right) => (idOf(left) < idOf(right) ? -1 : 1));
function without(object: KubernetesObject): KubernetesObject {
  const { namespace: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}

test.before(async (state) => {
  state.folder = await mkdtemp(join(tmpdir(), "kennel-kubernetes-"));
});

test.after(async ({ folder, server }) => {
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

test("kustomize's files are what the chart makes", async () => {
  const rendered = await renderManifests(helmPath(), signal());
  const written = writtenManifests();
  assert.equal([...written.keys()].sort(), [...rendered.keys()].sort());
  for (const [path, text] of rendered) assert.is(written.get(path), text, `k8s/${path}; run: npm run manifests`);
});

test("An overlay with its components holds the objects that helm installs, and the namespace", async ({ folder }) => {
  for (const [mode, components] of [...OTHER_COMPONENTS, ...Object.entries(COMPONENTS)]) {
    const set = components.flatMap((name: string) => SWITCHES[name] ?? []);
    const built = await kustomize(folder, mode as keyof typeof COMPONENTS, components);
    const [namespace, ...others] = [...built].sort((left) => (left.kind === "Namespace" ? -1 : 1));
    assert.is(namespace?.kind, "Namespace");
    assert.equal(byId(others).map(without), byId(await render({ files: [mode], set })).map(without));
  }
});

test("Values that make no sense are refused, with the one at fault", async () => {
  for (const [set, reason] of [
    ["mode=prod", "mode"],
    ["replica=2", "replica"],
    ["replicas=0", "replicas"],
    ["settings.PASSWORD=x", "PASSWORD"],
    ["auth=none", "auth"],
    ["mode=production", "set natsUrl"],
    ["mode=production,natsUrl=nats://nats", "set keys.secretName"],
    ["keys.secretName=_", "keys"],
    ["monitoring.keySecretName=", "keySecretName"],
    ["tls.secretName=_", "tls"],
    ["tls.secret=x", "secret"],
    ["tls.clientCaSecretName=clients", "set tls.secretName"],
    [`monitoring.enabled=true,${TLS[0]},${MUTUAL_TLS[0]}`, "set monitoring.clientSecretName"],
    ["natsUrl=http://nats", "natsUrl"],
    ["backup.schedule=daily", "schedule"],
    ["preStopSeconds=0", "preStopSeconds"],
  ] as const) {
    const refusal = await render({ files: [], set: [set] }).then(
      () => "it was accepted",
      (error: Error) => error.message,
    );
    assert.match(refusal, reason, set);
  }
});

interface PodTemplate {
  readonly spec: {
    readonly terminationGracePeriodSeconds: number;
    readonly volumes: readonly object[];
    readonly containers: readonly [{ readonly lifecycle: { readonly preStop: { readonly sleep: { readonly seconds: number } } } }];
  };
}

const workloadsOf = (objects: readonly KubernetesObject[]) => objects.filter(({ kind }) => kind === "Deployment" || kind === "StatefulSet");
const templateOf = (object: KubernetesObject) => (object.spec as { template: PodTemplate }).template;

test("A pod has the time that its longest drain takes, and its settings are settings", async () => {
  for (const values of [
    ...SETS,
    { files: ["production"], set: ["drain.graceMs=0", "drain.limitMs=60000", "preStopSeconds=15"] },
    { files: ["embedded"], set: ["drain.graceMs=1", "drain.limitMs=1", "preStopSeconds=1"] },
  ]) {
    const objects = await render(values);
    const data = objects.find((object) => idOf(object) === "ConfigMap kennel")?.data as Readonly<Record<string, string>>;
    // The cluster's address is another part's setting.
    const { KENNEL_NATS_URL: _, ...environment } = data;
    const config = loadConfig({ environment, readFile: () => null, hostName: () => "pod", workingFolder: "/app" });
    assert.is(config.dataDir, "/data");
    for (const workload of workloadsOf(objects)) {
      const { terminationGracePeriodSeconds, containers } = templateOf(workload).spec;
      const neededSeconds = containers[0].lifecycle.preStop.sleep.seconds + longestDrainMs(config) / 1_000;
      assert.ok(terminationGracePeriodSeconds >= neededSeconds, `${terminationGracePeriodSeconds} s for ${neededSeconds} s`);
      assert.ok(terminationGracePeriodSeconds < neededSeconds + 2, "and not much more");
    }
  }
});

interface Probe {
  readonly httpGet?: { readonly path: string; readonly port: string; readonly scheme?: string };
  readonly tcpSocket?: { readonly port: string };
}

interface ScrapedEndpoint {
  readonly path: string;
  readonly scheme?: string;
  readonly tlsConfig?: { readonly serverName: string; readonly ca?: object; readonly cert?: object; readonly keySecret?: object };
  readonly authorization?: { readonly type: string; readonly credentials: { readonly name: string; readonly key: string } };
}

test("A node with the settings of a pod answers what its probes ask, and Prometheus where it sends a key; it is not ready once it is told to stop", async ({
  folder,
}) => {
  const objects = await render({ files: ["embedded"], set: ["monitoring.enabled=true", "drain.graceMs=3000"] });
  const settings = objects.find((object) => idOf(object) === "ConfigMap kennel")?.data as Readonly<Record<string, string>>;
  const [container] = templateOf(workloadsOf(objects)[0] as KubernetesObject).spec.containers as unknown as [
    Readonly<Record<string, Probe>>,
  ];
  const monitor = objects.find(({ kind }) => kind === "ServiceMonitor")?.spec as { readonly endpoints: readonly ScrapedEndpoint[] };
  const authorization = { type: "Bearer", credentials: { name: "kennel-metrics-key", key: "key" } };
  assert.equal(
    monitor.endpoints.map(({ path, authorization }) => ({ path, authorization })),
    [{ path: "/metrics", authorization }],
  );
  // This machine's own folder and a free port of its own; all else is the pod's.
  const { KENNEL_DATA_DIR: _, ...own } = settings;
  const env = { ...own, KENNEL_HTTP_HOST: "127.0.0.1", KENNEL_NODE_NAME: "kennel-0", KENNEL_KEYS_FILE: join(folder, "keys.json") };
  const key = (await runKennel(["keys", "create", "--name", "prometheus", "--scope", "read", "--collections", "*"], env)).out.trim();
  const kennel = await startKennel(env);
  const statusOf = async (path: string, more: Readonly<Record<string, string>> = {}) =>
    (await fetch(kennel.url + path, { headers: { connection: "close", ...more } })).status;
  const pathOf = (name: string) => container[name]?.httpGet?.path ?? "";
  try {
    for (const path of [pathOf("startupProbe"), pathOf("livenessProbe"), pathOf("readinessProbe")])
      assert.is(await statusOf(path), 200, path);
    assert.is(await statusOf("/metrics"), 401);
    assert.is(await statusOf("/metrics", { authorization: `${authorization.type} ${key}` }), 200);
    kennel.signal("SIGTERM");
    await until("it is not ready", async () => (await statusOf(pathOf("readinessProbe"))) === 503);
    assert.is(await statusOf(pathOf("livenessProbe")), 200, "a node that drains is alive");
    assert.is(await kennel.ended, 0);
  } finally {
    await kennel.stop();
  }
});

test("With TLS a node speaks it with the files of its Secret, and probes and Prometheus ask it so", async () => {
  const objects = await render({ files: ["embedded"], set: ["monitoring.enabled=true", ...TLS] });
  const settings = objects.find((object) => idOf(object) === "ConfigMap kennel")?.data as Readonly<Record<string, string>>;
  const { volumes, containers } = templateOf(workloadsOf(objects)[0] as KubernetesObject).spec as unknown as {
    readonly volumes: readonly { readonly name: string; readonly secret?: { readonly secretName: string } }[];
    readonly containers: readonly [
      Readonly<Record<string, Probe>> & { readonly volumeMounts: readonly { name: string; mountPath: string }[] },
    ];
  };
  const [container] = containers;
  const folder = container.volumeMounts.find(({ name }) => name === "tls")?.mountPath;
  assert.is(volumes.find(({ name }) => name === "tls")?.secret?.secretName, "kennel-tls");
  assert.equal([settings.KENNEL_TLS_CERT_FILE, settings.KENNEL_TLS_KEY_FILE], [`${folder}/tls.crt`, `${folder}/tls.key`]);
  const monitor = objects.find(({ kind }) => kind === "ServiceMonitor")?.spec as { readonly endpoints: readonly ScrapedEndpoint[] };
  const ca = { secret: { name: "kennel-tls", key: "ca.crt" } };
  assert.equal(
    monitor.endpoints.map(({ scheme, tlsConfig }) => ({ scheme, tlsConfig })),
    [{ scheme: "https", tlsConfig: { serverName: "kennel.kennel.svc", ca } }],
  );
  // The same node, with the repository's own certificates where the Secret's would be.
  const tls = (name: string) => fileURLToPath(new URL(`../../data/tls/${name}`, import.meta.url));
  const files = { KENNEL_TLS_CERT_FILE: tls("server.pem"), KENNEL_TLS_KEY_FILE: tls("server.key") };
  const { KENNEL_DATA_DIR: _, ...own } = settings;
  const kennel = await startKennel({ ...own, ...files, KENNEL_HTTP_HOST: "127.0.0.1", KENNEL_AUTH: "off" });
  try {
    for (const name of ["startupProbe", "livenessProbe", "readinessProbe"]) {
      const { path = "", scheme = "" } = container[name]?.httpGet ?? {};
      // As the kubelet: whose certificate it is, it does not look at.
      assert.is(await statusOverTls(`${scheme.toLowerCase()}://${new URL(kennel.url).host}${path}`), 200, name);
    }
  } finally {
    await kennel.stop();
  }
});

function statusOverTls(url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = httpsRequest(url, { rejectUnauthorized: false, agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    asked.on("error", reject).end();
  });
}

test("Where clients show certificates, probes look whether the port is open, Prometheus shows its own, and only authorities are mounted", async () => {
  const objects = await render({ files: ["production"], set: ["monitoring.enabled=true", ...TLS, ...MUTUAL_TLS] });
  const settings = objects.find((object) => idOf(object) === "ConfigMap kennel")?.data as Readonly<Record<string, string>>;
  assert.is(settings.KENNEL_TLS_CLIENT_CA_FILE, "/client-authorities/ca.crt");
  const { volumes, containers } = templateOf(workloadsOf(objects)[0] as KubernetesObject).spec;
  const [container] = containers as unknown as [Readonly<Record<string, Probe>>];
  for (const name of ["startupProbe", "livenessProbe", "readinessProbe"]) {
    const { httpGet, tcpSocket } = container[name] ?? {};
    assert.equal([httpGet, tcpSocket], [undefined, { port: "http" }], name);
  }
  const authorities = volumes.find((volume) => (volume as { name: string }).name === "client-authorities");
  const items = [{ key: "ca.crt", path: "ca.crt" }];
  assert.equal(authorities, { name: "client-authorities", secret: { secretName: "kennel-clients", items, defaultMode: 288 } });
  const monitor = objects.find(({ kind }) => kind === "ServiceMonitor")?.spec as { readonly endpoints: readonly ScrapedEndpoint[] };
  const { cert, keySecret } = monitor.endpoints[0]?.tlsConfig ?? {};
  const name = "kennel-prometheus";
  assert.equal([cert, keySecret], [{ secret: { name, key: "tls.crt" } }, { name, key: "tls.key" }]);
});

test("Where nodes trace, they may call the collector, at its port", async () => {
  const portsFor = async (values: Partial<ChartValues>) => {
    const policy = (await render({ files: ["embedded"], ...values })).find(({ kind }) => kind === "NetworkPolicy")?.spec;
    const { egress } = policy as { readonly egress: readonly { readonly ports: readonly { readonly port: number | string }[] }[] };
    return egress.flatMap(({ ports }) => ports.map(({ port }) => port));
  };
  const plain = await portsFor({});
  const added = async (endpoint: string | null) => {
    const set = endpoint === null ? [] : [`settings.OTEL_EXPORTER_OTLP_ENDPOINT=${endpoint}`];
    const ports = await portsFor({ set, texts: ["settings.KENNEL_TRACING=true"] });
    return ports.filter((port) => !plain.includes(port));
  };
  assert.not.ok(plain.includes(4318));
  assert.equal(await portsFor({ texts: ["settings.KENNEL_TRACING=false"] }), plain);
  assert.equal(await added(null), [4318]);
  assert.equal(await added("http://collector.traces:4319"), [4319]);
  assert.equal(await added("http://collector/otlp"), [80]);
  assert.equal(await added("https://collector"), [], "which is among egressPorts");
});

test("A ServiceMonitor sends no key where none is asked for", async () => {
  const objects = await render({ files: ["embedded"], set: ["monitoring.enabled=true", "auth=off"] });
  const monitor = objects.find(({ kind }) => kind === "ServiceMonitor")?.spec as { readonly endpoints: readonly ScrapedEndpoint[] };
  assert.equal(
    monitor.endpoints.map((endpoint) => endpoint.authorization),
    [undefined],
  );
});

test("The rules that Prometheus' operator is given are those that promtool has tested", async () => {
  const rule = (await render({ files: ["embedded"], set: ["monitoring.enabled=true"] })).find(({ kind }) => kind === "PrometheusRule");
  assert.equal(rule?.spec, parse(readFileSync(join(K8S, "chart/monitoring/alerts.yaml"), "utf8")));
});

test("A real API server starts, and knows the definitions of KEDA and of Prometheus' operator", async (state) => {
  const server = await startKubernetes(kubernetesPrograms(), state.folder);
  state.server = server;
  const folder = kubernetesDefinitions();
  for (const file of readdirSync(folder)) {
    for (const definition of parseObjects(readFileSync(join(folder, file), "utf8"))) {
      const { status, message } = await server.client.apply(definition, NAMESPACE);
      assert.ok(status < 300, `${file}: ${message}`);
    }
  }
  const isServed = async (path: string, kind: string) =>
    (JSON.parse((await server.client.call("GET", path)).body) as { resources?: { kind: string }[] }).resources?.some(
      (resource) => resource.kind === kind,
    ) ?? false;
  await until("their kinds are served", async () => {
    const kinds = ["PrometheusRule", "ServiceMonitor"].map((kind) => isServed("/apis/monitoring.coreos.com/v1", kind));
    return (await Promise.all([isServed("/apis/keda.sh/v1alpha1", "ScaledObject"), ...kinds])).every((is) => is);
  });
});

function serverOf({ server }: Cluster): KubernetesServer {
  if (server === null) throw new Error("The API server has not started");
  return server;
}

/** The pod that a workload would make, with a volume where it would claim one. */
function podOf(workload: KubernetesObject): KubernetesObject {
  const { spec } = templateOf(workload);
  const volumes = [{ name: "data", emptyDir: {} }, ...spec.volumes.filter((volume) => (volume as { name: string }).name !== "data")];
  return { apiVersion: "v1", kind: "Pod", metadata: { name: `${workload.metadata.name}-pod` }, spec: { ...spec, volumes } };
}

test("It takes every object of every overlay and of the chart at four sets of values, without a warning", async (state) => {
  const server = serverOf(state);
  const sets = [
    await kustomize(state.folder, "embedded", COMPONENTS.embedded),
    await kustomize(state.folder, "production", []),
    await kustomize(state.folder, "production", COMPONENTS.production),
    ...(await Promise.all(SETS.map(render))),
  ];
  const seen = new Set<string>();
  const restricted = sets[0]?.find(({ kind }) => kind === "Namespace");
  if (restricted === undefined) throw new Error("The overlay has no namespace");
  for (const [place, objects] of sets.entries()) {
    const name = `${NAMESPACE}-${place}`; // what was applied first may not be changed at will
    const others = objects.filter(({ kind }) => kind !== "Namespace");
    for (const object of [{ ...restricted, metadata: { ...restricted.metadata, name } }, ...others.map(without)]) {
      const { status, message, warnings } = await server.client.apply(object, name);
      assert.ok(status < 300, `${idOf(object)}: ${message}`);
      assert.equal(warnings, [], idOf(object));
      seen.add(object.kind);
    }
  }
  const kinds = "ConfigMap CronJob Deployment HorizontalPodAutoscaler Namespace NetworkPolicy PersistentVolumeClaim PodDisruptionBudget";
  const others = ["PrometheusRule", "ScaledObject", "Service", "ServiceAccount", "ServiceMonitor", "StatefulSet"];
  assert.equal([...seen].sort(), [...kinds.split(" "), ...others]);
});

test("Their pods are taken where every pod must be restricted; one that is not, and a field that is none, are refused", async (state) => {
  const server = serverOf(state);
  for (const mode of ["embedded", "production"] as const) {
    for (const workload of workloadsOf(await kustomize(state.folder, mode, []))) {
      const pod = podOf(workload);
      const { status, message, warnings } = await server.client.apply(pod, `${NAMESPACE}-0`, true);
      assert.ok(status < 300, message);
      assert.equal(warnings, []);
      const spec = pod.spec as { readonly containers: readonly [object] };
      const loose = { ...pod, spec: { ...spec, containers: [{ ...spec.containers[0], securityContext: {} }] } };
      const refused = await server.client.apply(loose, `${NAMESPACE}-0`, true);
      assert.is(refused.status, 403);
      assert.match(refused.message, 'violates PodSecurity "restricted');
      const wrong = await server.client.apply({ ...pod, spec: { ...spec, restartPolice: "Never" } }, `${NAMESPACE}-0`, true);
      assert.ok(wrong.status >= 400);
      assert.match(wrong.message, "restartPolice");
    }
  }
});

test.run();
