import { CHROMIUM } from "./chromium.ts";
import { COHERE_PYTHON } from "./cohere_python.ts";
import { FERRETDB } from "./ferretdb.ts";
import { HADOLINT } from "./hadolint.ts";
import { KUBERNETES_SERVER, KUBERNETES_TOOLS } from "./kubernetes.ts";
import { MILVUS } from "./milvus.ts";
import { MILVUS_LITE } from "./milvus_lite.ts";
import { NATS, NATS_COMMAND } from "./nats.ts";
import { NATS_PYTHON } from "./nats_python.ts";
import { OPENAI_PYTHON } from "./openai_python.ts";
import { PROMETHEUS } from "./prometheus.ts";
import { REDIS } from "./redis.ts";
import { SCHEMATHESIS } from "./schemathesis.ts";
import type { RealService } from "./service.ts";

/** Everything that the tests under test/services/ need. */
const SERVICES: readonly RealService[] = [
  CHROMIUM,
  COHERE_PYTHON,
  FERRETDB,
  HADOLINT,
  KUBERNETES_SERVER,
  KUBERNETES_TOOLS,
  MILVUS,
  MILVUS_LITE,
  NATS,
  NATS_COMMAND,
  NATS_PYTHON,
  OPENAI_PYTHON,
  PROMETHEUS,
  REDIS,
  SCHEMATHESIS,
];

/** @returns the environment that the service tests read through test/support/services.ts */
export async function provideServices(
  signal: AbortSignal,
  services: readonly RealService[] = SERVICES,
): Promise<Readonly<Record<string, string>>> {
  const env: Record<string, string> = {};
  for (const service of services) {
    const given = givenValues(service);
    const values = given ?? (await service.provide(signal));
    for (const [variable, value] of Object.entries(values)) console.log(`${service.what}: ${variable}=${value}`);
    Object.assign(env, values);
  }
  return env;
}

function givenValues(service: RealService): Readonly<Record<string, string>> | null {
  const values = service.variables.map((variable) => [variable, process.env[variable]] as const);
  return values.every(([, value]) => value !== undefined) ? (Object.fromEntries(values) as Record<string, string>) : null;
}
