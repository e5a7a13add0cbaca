/** Where `npm run test:services` has put what the tests under test/services/ need. */

/** Path of a Chromium that playwright-core can start. */
export function chromiumPath(): string {
  return provided("TEST_CHROMIUM");
}

/** Path of the schemathesis command. */
export function schemathesisPath(): string {
  return provided("TEST_SCHEMATHESIS");
}

/** Path of a FerretDB that `tooling/servers/ferretdb.ts` can start. */
export function ferretDbPath(): string {
  return provided("TEST_FERRETDB");
}

/** Path of the redis-server command. */
export function redisPath(): string {
  return provided("TEST_REDIS");
}

/** Path of a Python in whose environment Milvus' wheel is installed. */
export function milvusPythonPath(): string {
  return provided("TEST_MILVUS_PYTHON");
}

/** Path of a Python in whose environment OpenAI's client is installed. */
export function openAiPythonPath(): string {
  return provided("TEST_OPENAI_PYTHON");
}

/** Path of a Python in whose environment Cohere's client is installed. */
export function coherePythonPath(): string {
  return provided("TEST_COHERE_PYTHON");
}

/** Path of the milvus-lite command. */
export function milvusLitePath(): string {
  return provided("TEST_MILVUS_LITE");
}

/** Path of hadolint. */
export function hadolintPath(): string {
  return provided("TEST_HADOLINT");
}

/** Path of helm. */
export function helmPath(): string {
  return provided("TEST_HELM");
}

/** Path of a program that prints what `kustomize build` does. */
export function kustomizePath(): string {
  return provided("TEST_KUSTOMIZE");
}

/** Paths of kube-apiserver and its database. */
export function kubernetesPrograms(): { readonly apiServer: string; readonly etcd: string } {
  return { apiServer: provided("TEST_KUBE_APISERVER"), etcd: provided("TEST_ETCD") };
}

/** Paths of Kubernetes' controllers and of its scheduler. */
export function controllerPrograms(): { readonly controllerManager: string; readonly scheduler: string } {
  return { controllerManager: provided("TEST_KUBE_CONTROLLER_MANAGER"), scheduler: provided("TEST_KUBE_SCHEDULER") };
}

/** Folder of the custom resource definitions that the manifests use. */
export function kubernetesDefinitions(): string {
  return provided("TEST_KUBERNETES_DEFINITIONS");
}

/** Path of the prometheus command. */
export function prometheusPath(): string {
  return provided("TEST_PROMETHEUS");
}

/** Path of promtool. */
export function promtoolPath(): string {
  return provided("TEST_PROMTOOL");
}

/** Path of the nats-server command. */
export function natsServerPath(): string {
  return provided("TEST_NATS_SERVER");
}

/** Path of the nats command, which looks at services from outside. */
export function natsCommandPath(): string {
  return provided("TEST_NATS_COMMAND");
}

/** Path of a Python in whose environment NATS' client is installed. */
export function natsPythonPath(): string {
  return provided("TEST_NATS_PYTHON");
}

function provided(variable: string): string {
  const value = process.env[variable];
  if (value === undefined) throw new Error(`${variable} is not set; run this test with: npm run test:services`);
  return value;
}
