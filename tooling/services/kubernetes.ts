import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { ROOT, runCommand } from "../command.ts";
import { installDebianPackages } from "./debian.ts";
import { GO_ENVIRONMENT, provideGo } from "./go.ts";
import { CACHE, INSTALL_TIMEOUT_MS, makeOnce, succeed } from "./install.ts";
import { missing, type RealService } from "./service.ts";

const SOURCES = join(ROOT, "tooling/services/kubernetes");
/** As in tools/go.mod. */
const HELM_VERSION = "3.22.0";
/** As in tools/go.mod. */
const KUSTOMIZE_VERSION = "0.21.1";
/** As in server/go.mod. */
const KUBERNETES_VERSION = "1.36.3";
const KUBERNETES_PROGRAMS = ["kube-apiserver", "kube-controller-manager", "kube-scheduler"] as const;
/** Definitions of objects that are not Kubernetes' own, from the modules of those who make them. */
const DEFINITIONS = [
  { module: "github.com/kedacore/keda/v2@v2.21.0", folder: "config/crd/bases", files: ["keda.sh_scaledobjects.yaml"] },
  {
    module: "github.com/prometheus-operator/prometheus-operator@v0.85.0",
    folder: "example/prometheus-operator-crd",
    files: ["monitoring.coreos.com_servicemonitors.yaml", "monitoring.coreos.com_prometheusrules.yaml"],
  },
];
const ETCD_PATHS = ["/usr/bin/etcd", "/usr/local/bin/etcd", "/opt/homebrew/bin/etcd"];
/** Of what is built in one go, on a machine that has much else to do. */
const BUILD_TIMEOUT_MS = 1_800_000;
const STRIP = "-s -w";

/** helm, and kustomize's library with a main program of our own. Helm takes two minutes of processor time to build, once. */
export const KUBERNETES_TOOLS: RealService = {
  name: "kubernetes_tools",
  what: `helm ${HELM_VERSION} and kustomize ${KUSTOMIZE_VERSION}`,
  variables: ["TEST_HELM", "TEST_KUSTOMIZE"],
  async provide(signal) {
    const build = (program: string, version: string, source: string) => {
      const folder = join(CACHE, `${program}-${version}`);
      mkdirSync(folder, { recursive: true });
      return buildOnce(join(folder, program), "tools", [source], STRIP, signal);
    };
    return {
      TEST_HELM: await build("helm", HELM_VERSION, "helm.sh/helm/v3/cmd/helm"),
      TEST_KUSTOMIZE: await build("kustomize", KUSTOMIZE_VERSION, "./kustomize"),
    };
  },
};

/**
 * A real API server with its database: every object is checked by what will check it; and the controllers and the scheduler that act on them. They take
 * nine minutes of processor time to build, once, six of which are the API server's.
 */
export const KUBERNETES_SERVER: RealService = {
  name: "kubernetes_server",
  what: `Kubernetes ${KUBERNETES_VERSION} and etcd`,
  variables: ["TEST_KUBE_APISERVER", "TEST_KUBE_CONTROLLER_MANAGER", "TEST_KUBE_SCHEDULER", "TEST_ETCD", "TEST_KUBERNETES_DEFINITIONS"],
  async provide(signal) {
    const folder = join(CACHE, `kubernetes-${KUBERNETES_VERSION}`);
    const definitions = join(CACHE, ["kubernetes_definitions", ...DEFINITIONS.map(({ module }) => module.split("@v")[1])].join("-"));
    mkdirSync(folder, { recursive: true });
    mkdirSync(definitions, { recursive: true });
    const present = () => ETCD_PATHS.find((path) => existsSync(path));
    if (present() === undefined) await installDebianPackages(["etcd-server"], signal);
    const [major, minor] = KUBERNETES_VERSION.split(".");
    const version = { gitVersion: `v${KUBERNETES_VERSION}`, gitMajor: major, gitMinor: minor };
    const named = Object.entries(version).map(([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`);
    // In one go: Go then keeps every processor busy to the end.
    const sources = KUBERNETES_PROGRAMS.map((program) => `k8s.io/kubernetes/cmd/${program}`);
    const programs = await buildOnce(join(folder, "programs"), "server", sources, [STRIP, ...named].join(" "), signal);
    await copyDefinitions(definitions, signal);
    const [apiServer, controllerManager, scheduler] = KUBERNETES_PROGRAMS.map((program) => join(programs, program)) as [
      string,
      string,
      string,
    ];
    return {
      TEST_KUBE_APISERVER: apiServer,
      TEST_KUBE_CONTROLLER_MANAGER: controllerManager,
      TEST_KUBE_SCHEDULER: scheduler,
      TEST_ETCD: present() ?? missing("etcd", "TEST_ETCD"),
      TEST_KUBERNETES_DEFINITIONS: definitions,
    };
  },
};

/**
 * At a low priority: whoever works beside it is not to wait for it.
 * @param target of one source: the program; of several: a folder of programs
 */
function buildOnce(target: string, module: string, sources: readonly string[], linking: string, signal: AbortSignal): Promise<string> {
  return makeOnce(target, async (draft) => {
    const go = await provideGo(signal);
    if (sources.length > 1) mkdirSync(draft);
    await succeed("nice", ["-n", "10", go, "build", "-trimpath", "-ldflags", linking, "-o", draft, ...sources], signal, {
      cwd: join(SOURCES, module),
      env: { ...GO_ENVIRONMENT, CGO_ENABLED: "0" },
      timeoutMs: BUILD_TIMEOUT_MS,
    });
  });
}

async function copyDefinitions(target: string, signal: AbortSignal): Promise<void> {
  const wanted = DEFINITIONS.flatMap(({ files }) => files);
  if (wanted.every((file) => readdirSync(target).includes(file))) return;
  const go = await provideGo(signal);
  for (const { module, folder, files } of DEFINITIONS) {
    const { code, output } = await runCommand(go, ["mod", "download", "-json", module], {
      cwd: target,
      env: GO_ENVIRONMENT,
      timeoutMs: INSTALL_TIMEOUT_MS,
      signal,
    });
    const place = /"Dir": "([^"]+)"/.exec(output)?.[1];
    if (code !== 0 || place === undefined) throw new Error(`Cannot fetch ${module}:\n${output}`);
    for (const file of files) {
      await makeOnce(join(target, file), async (draft) => {
        copyFileSync(join(place, folder, file), draft);
        chmodSync(draft, 0o644); // Go's own are read-only
      });
    }
  }
}
