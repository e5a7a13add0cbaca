/** `/openapi.json`, and `/docs`: Swagger UI from this server's own files. */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { type Answer, JSON_TYPE } from "./answer.ts";
import type { StaticFile } from "./collaborators.ts";
import type { Exchange } from "./exchange.ts";
import type { BridgeLimits } from "./limits.ts";
import { openApiDocument } from "./openapi.ts";
import type { Route } from "./route.ts";
import { fileAnswer, staticFile } from "./static_files.ts";

interface Parts {
  readonly limits: BridgeLimits;
  readonly version: string;
}

const API_POLICY = "default-src 'none'; frame-ancestors 'none'";
/** Swagger UI sets styles on elements and draws icons from data addresses; it needs no script but its own files. */
const DOCS_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join("; ");

const HTML_TYPE = "text/html; charset=utf-8";
const SCRIPT_TYPE = "text/javascript; charset=utf-8";

const DOCS_PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Kennel API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`;

const DOCS_START = `SwaggerUIBundle({ url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true, tryItOutEnabled: true });
`;

type FileSource = () => Promise<StaticFile>;

/** Path of each file below `/docs`, and how it is made; files are read when they are first asked for. */
function docsFiles(): Readonly<Record<string, FileSource>> {
  const encoder = new TextEncoder();
  const require = createRequire(import.meta.url);
  const fromPackage = (name: string, contentType: string) => async () =>
    staticFile(await readFile(require.resolve(`swagger-ui-dist/${name}`)), contentType);
  return {
    "/docs": () => staticFile(encoder.encode(DOCS_PAGE), HTML_TYPE),
    "/docs/start.js": () => staticFile(encoder.encode(DOCS_START), SCRIPT_TYPE),
    "/docs/swagger-ui.css": fromPackage("swagger-ui.css", "text/css; charset=utf-8"),
    "/docs/swagger-ui-bundle.js": fromPackage("swagger-ui-bundle.js", SCRIPT_TYPE),
  };
}

/** @param described the routes that the document is about */
export function docsRoutes(described: readonly Route[], { limits, version }: Parts): readonly Route[] {
  const document = once(() => staticFile(new TextEncoder().encode(JSON.stringify(openApiDocument(described, version))), JSON_TYPE));
  return [
    fileRoute("/openapi.json", document, API_POLICY, limits),
    ...Object.entries(docsFiles()).map(([path, source]) => fileRoute(path, once(source), DOCS_POLICY, limits)),
  ];
}

function fileRoute(path: string, source: FileSource, policy: string, limits: BridgeLimits): Route {
  return {
    method: "GET",
    path,
    kind: "operation",
    maxBodyBytes: 0,
    timeoutMs: limits.defaultTimeoutMs,
    description: null,
    handle: async ({ request }: Exchange): Promise<Answer> => fileAnswer(await source(), request, policy),
  };
}

/** Makes the file once; a failure is not kept. */
function once(source: FileSource): FileSource {
  let made: Promise<StaticFile> | null = null;
  return () => {
    made ??= source().catch((thrown: unknown) => {
      made = null;
      throw thrown;
    });
    return made;
  };
}
