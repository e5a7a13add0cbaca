// npm run dashboards: pictures of Grafana's dashboards with the data of a real node that a real Prometheus has scraped, in Grafana's layout but without
// Grafana. Writes docs/dashboards/*.png. It takes some three minutes, and installs Prometheus and Chromium where they are missing.
//
//   npm run dashboards -- --seconds 60     of use that the pictures show
import { mkdirSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { startProgress } from "../bridge/cli/progress.ts";
import { systemTerminal } from "../bridge/cli/terminal.ts";
import { startModels } from "../test/journeys/everything_counted.ts";
import { onNode } from "../test/journeys/node_rig.ts";
import { openBrowser } from "../test/support/browser.ts";
import { prometheusPath } from "../test/support/services.ts";
import { ROOT, untilInterrupted } from "./command.ts";
import { DASHBOARDS } from "./dashboards/dashboards.ts";
import { toGrafana } from "./dashboards/grafana.ts";
import { useForAWhile } from "./dashboards/pictures/mixed_use.ts";
import { dashboardPage, PAGE_PX } from "./dashboards/pictures/page.ts";
import { rateIntervalOf, samplePanels } from "./dashboards/pictures/samples.ts";
import { startPrometheus } from "./servers/prometheus.ts";
import { CHROMIUM } from "./services/chromium.ts";
import { provideServices } from "./services/index.ts";
import { PROMETHEUS } from "./services/prometheus.ts";

const SCRAPE_S = 2;
const STEP_S = 1;
const SECONDS = { usual: 150, most: 3_600 } as const;
const PICTURES = join(ROOT, "docs/dashboards");
const TELL_EVERY_MS = 15_000;
const NODE = "kennel-0";

/** @returns a page by the name of its dashboard */
async function pagesOf(durationMs: number, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
  const folder = await mkdtemp(join(tmpdir(), "kennel-dashboards-"));
  const models = await startModels();
  const pages = new Map<string, string>();
  try {
    await onNode({ ...models.settings, KENNEL_NODE_NAME: NODE }, async ({ caller }) => {
      const targets = [new URL(caller.url).host];
      const prometheus = await startPrometheus(prometheusPath(), folder, {
        rules: [],
        targets,
        instance: NODE,
        scrapeIntervalMs: SCRAPE_S * 1_000,
      });
      try {
        const fromS = Math.floor(Date.now() / 1_000);
        await useWithProgress(durationMs, (progress) => useForAWhile(caller, models, { durationMs, signal, progress }));
        const range = { fromS, toS: Math.floor(Date.now() / 1_000), stepS: STEP_S };
        const frame = { fromS, stepS: STEP_S, steps: (range.toS - fromS) / STEP_S + 1 };
        for (const dashboard of DASHBOARDS.map(toGrafana)) {
          const sampled = await samplePanels(prometheus, dashboard, range, rateIntervalOf(STEP_S, SCRAPE_S));
          pages.set(dashboard.uid, dashboardPage(dashboard, sampled, frame));
        }
      } finally {
        await prometheus.stop();
      }
    });
  } finally {
    await models.stop();
    await rm(folder, { recursive: true, force: true });
  }
  return pages;
}

async function useWithProgress(
  durationMs: number,
  use: (progress: (doneMs: number, requests: number) => void) => Promise<void>,
): Promise<void> {
  const bar = await startProgress(systemTerminal(), "Using the node", "s");
  let toldMs = 0;
  try {
    await use((doneMs, requests) => {
      bar.update(Math.min(Math.round(doneMs / 1_000), durationMs / 1_000), durationMs / 1_000);
      if (process.stderr.isTTY || doneMs - toldMs < TELL_EVERY_MS) return;
      toldMs = doneMs;
      console.log(`${Math.round(doneMs / 1_000)} of ${durationMs / 1_000} s, ${requests} requests`);
    });
  } finally {
    bar.stop();
  }
}

async function photograph(pages: ReadonlyMap<string, string>): Promise<void> {
  mkdirSync(PICTURES, { recursive: true });
  const browser = await openBrowser({ origin: "http://none.invalid", width: PAGE_PX, height: 900, colorScheme: "light" });
  try {
    for (const [name, html] of pages) {
      await browser.page.setContent(html);
      const picture = await browser.page.screenshot({ fullPage: true });
      const path = join(PICTURES, `${name}.png`);
      writeFileSync(path, picture);
      console.log(`${path}: ${Math.round(picture.length / 1_000)} kB`);
    }
  } finally {
    await browser.close();
  }
}

async function main(args: readonly string[], signal: AbortSignal): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: { seconds: { type: "string", default: String(SECONDS.usual) } } });
  const length = Number(values.seconds);
  if (!Number.isInteger(length) || length < 10 || length > SECONDS.most)
    throw new RangeError(`--seconds is "${values.seconds}"; whole seconds from 10 to ${SECONDS.most} are allowed`);
  Object.assign(process.env, await provideServices(signal, [CHROMIUM, PROMETHEUS]));
  await photograph(await pagesOf(length * 1_000, signal));
}

if (import.meta.main) {
  await main(process.argv.slice(2), untilInterrupted()).catch((error: Error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}
