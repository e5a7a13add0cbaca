import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BrowserContext, chromium, type Page } from "playwright-core";
import { chromiumPath } from "./services.ts";

const SCREENSHOTS = fileURLToPath(new URL("../../.cache/screenshots/", import.meta.url));
/** A browser beside other tests on few processors: its start, and anything that is waited for on a page. */
const START_LIMIT_MS = 120_000;
const WAIT_LIMIT_MS = 60_000;
const QUIET = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** A browser without a history, and what went wrong in it. */
export interface TestBrowser {
  readonly page: Page;
  /** Errors on the console (refusals by the content security policy among them), exceptions, requests to other origins. */
  readonly problems: readonly string[];
  /** Keeps a picture of the whole page under .cache/screenshots, for people to look at. */
  screenshot(name: string): Promise<void>;
  close(): Promise<void>;
}

export interface TestBrowserOptions {
  /** The only origin the page may talk to. */
  readonly origin: string;
  readonly width: number;
  readonly height: number;
  readonly colorScheme: "light" | "dark";
}

export async function openBrowser({ origin, width, height, colorScheme }: TestBrowserOptions): Promise<TestBrowser> {
  const folder = await mkdtemp(join(tmpdir(), "kennel-browser-"));
  const context = await chromium.launchPersistentContext(folder, {
    executablePath: chromiumPath(),
    headless: true,
    timeout: START_LIMIT_MS,
    args: QUIET,
    viewport: { width, height },
    colorScheme,
  });
  const page = context.pages()[0] ?? (await context.newPage());
  page.setDefaultTimeout(WAIT_LIMIT_MS);
  const problems = watchForProblems(context, page, origin);
  return {
    page,
    problems,
    async screenshot(name) {
      await mkdir(SCREENSHOTS, { recursive: true });
      await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true });
    },
    async close() {
      await context.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function watchForProblems(context: BrowserContext, page: Page, origin: string): string[] {
  const problems: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") problems.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => problems.push(`exception: ${error.message}`));
  context.on("request", (request) => {
    if (!request.url().startsWith(`${origin}/`)) problems.push(`other origin: ${request.url()}`);
  });
  return problems;
}

/** How far the page reaches beyond its width, in CSS pixels; 0: nothing has to be scrolled sideways. */
export function sidewaysOverflow(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}
