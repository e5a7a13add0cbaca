// Exit code 0: the node of this container answers. Run by the image's HEALTHCHECK; Kubernetes asks the routes itself.
import process from "node:process";

const LIMIT_MS = 3_000;
const port = process.env.KENNEL_HTTP_PORT ?? "7400";

try {
  const { ok } = await fetch(`http://127.0.0.1:${port}/healthz`, { signal: AbortSignal.timeout(LIMIT_MS) });
  process.exitCode = ok ? 0 : 1;
} catch {
  process.exitCode = 1;
}
