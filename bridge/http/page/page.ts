/**
 * The page at `/` and the files it loads, as answers ready to be sent. Files are read once, at start; nothing is built.
 *
 * Invariants:
 *   P1. The page runs no script and no style but its own files, and talks to its own origin only (its policy says so).
 *   P2. No markup is made from data: the policy requires trusted types and no policy is defined, so a slip fails loudly.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { promisify } from "node:util";
import { gzip } from "node:zlib";

const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

const JAVASCRIPT = "text/javascript; charset=utf-8";

/** Every file of browser/, with its content type; a test keeps this list and the folder equal. */
export const BROWSER_FILES: Readonly<Record<string, string>> = {
  "index.html": "text/html; charset=utf-8",
  "page.css": "text/css; charset=utf-8",
  "icon.svg": "image/svg+xml",
  "actor_details.js": JAVASCRIPT,
  "address.js": JAVASCRIPT,
  "answer.js": JAVASCRIPT,
  "api.js": JAVASCRIPT,
  "ask.js": JAVASCRIPT,
  "chart.js": JAVASCRIPT,
  "early_theme.js": JAVASCRIPT,
  "element.js": JAVASCRIPT,
  "failure.js": JAVASCRIPT,
  "format.js": JAVASCRIPT,
  "highlight.js": JAVASCRIPT,
  "history.js": JAVASCRIPT,
  "key.js": JAVASCRIPT,
  "latency.js": JAVASCRIPT,
  "latency_view.js": JAVASCRIPT,
  "main.js": JAVASCRIPT,
  "memory.js": JAVASCRIPT,
  "metrics_text.js": JAVASCRIPT,
  "passage.js": JAVASCRIPT,
  "poller.js": JAVASCRIPT,
  "status_view.js": JAVASCRIPT,
  "theme.js": JAVASCRIPT,
  "tree.js": JAVASCRIPT,
  "tree_rows.js": JAVASCRIPT,
  "views.js": JAVASCRIPT,
};

/** One file, ready to be sent either way. */
export interface PageFile {
  readonly contentType: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The same, compressed, for a browser that accepts gzip. */
  readonly gzipped: Uint8Array<ArrayBuffer>;
  /** A weak tag, since it stands for both forms. */
  readonly etag: string;
}

export interface Page {
  /** `/` and what lies below `/page/`. */
  readonly paths: readonly string[];
  /** Null: the path is none of the page's. */
  get(path: string): PageFile | null;
  readonly contentSecurityPolicy: string;
}

/** Reads the page's files. Rejects when one is missing, since a server without its page is not installed right. */
export async function openPage(): Promise<Page> {
  const files = new Map(await Promise.all([...Object.keys(BROWSER_FILES).map(readBrowserFile), readChartLibrary()]));
  return {
    paths: [...files.keys()],
    get: (path) => files.get(path) ?? null,
    contentSecurityPolicy: CONTENT_SECURITY_POLICY,
  };
}

async function readBrowserFile(name: string): Promise<[string, PageFile]> {
  const bytes = await readFile(new URL(`browser/${name}`, import.meta.url));
  return [name === "index.html" ? "/" : `/page/${name}`, await pageFile(bytes, BROWSER_FILES[name] ?? JAVASCRIPT)];
}

/** uPlot's smallest build is a script that declares one variable; one more line makes it a module. */
async function readChartLibrary(): Promise<[string, PageFile]> {
  const script = await readFile(createRequire(import.meta.url).resolve("uplot/dist/uPlot.iife.min.js"), "utf8");
  return ["/page/uplot.js", await pageFile(Buffer.from(`${script}\nexport { uPlot };\n`), JAVASCRIPT)];
}

const gzipAsync = promisify(gzip);

async function pageFile(content: Uint8Array, contentType: string): Promise<PageFile> {
  const bytes = new Uint8Array(content);
  return {
    contentType,
    bytes,
    gzipped: new Uint8Array(await gzipAsync(bytes, { level: 9 })),
    etag: `W/"${createHash("sha256").update(bytes).digest("base64url").slice(0, 22)}"`,
  };
}
