/**
 * The page at `/` and the files it loads, as answers ready to be sent. Files are read once, at start; nothing is built.
 *
 * Invariants:
 *   P1. The page runs no script and no style but its own files, and talks to its own origin only (its policy says so).
 *   P2. No markup is made from data: the policy requires trusted types and no policy is defined, so a slip fails loudly.
 */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { PageFiles, StaticFile } from "../collaborators.ts";
import { staticFile } from "../static_files.ts";

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
  "builds.js": JAVASCRIPT,
  "chart.js": JAVASCRIPT,
  "chat.js": JAVASCRIPT,
  "chat_stream.js": JAVASCRIPT,
  "cluster_view.js": JAVASCRIPT,
  "early_theme.js": JAVASCRIPT,
  "element.js": JAVASCRIPT,
  "evaluate.js": JAVASCRIPT,
  "failure.js": JAVASCRIPT,
  "format.js": JAVASCRIPT,
  "highlight.js": JAVASCRIPT,
  "history.js": JAVASCRIPT,
  "interval_plot.js": JAVASCRIPT,
  "judgements.js": JAVASCRIPT,
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
  "upkeep_view.js": JAVASCRIPT,
  "views.js": JAVASCRIPT,
};

/** Reads the page's files. Rejects when one is missing, since a server without its page is not installed right. */
export async function openPage(): Promise<PageFiles> {
  const files = new Map(await Promise.all([...Object.keys(BROWSER_FILES).map(readBrowserFile), readChartLibrary()]));
  return {
    paths: [...files.keys()],
    get: (path) => files.get(path) ?? null,
    contentSecurityPolicy: CONTENT_SECURITY_POLICY,
  };
}

async function readBrowserFile(name: string): Promise<[string, StaticFile]> {
  const bytes = await readFile(new URL(`browser/${name}`, import.meta.url));
  return [name === "index.html" ? "/" : `/page/${name}`, await staticFile(bytes, BROWSER_FILES[name] ?? JAVASCRIPT)];
}

/** uPlot's smallest build is a script that declares one variable; one more line makes it a module. */
async function readChartLibrary(): Promise<[string, StaticFile]> {
  const script = await readFile(createRequire(import.meta.url).resolve("uplot/dist/uPlot.iife.min.js"), "utf8");
  return ["/page/uplot.js", await staticFile(Buffer.from(`${script}\nexport { uPlot };\n`), JAVASCRIPT)];
}
