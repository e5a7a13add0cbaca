/**
 * The composition root: a node is built from the bottom up and taken down in the reverse order. Nothing of it lives at
 * module level, so two can live in one process.
 *
 * Invariants:
 *   N1. The data folder is locked before anything in it is touched, and let go after everything in it is closed.
 *   N2. Readiness is true between the first moment a request can be answered and the first word of a drain.
 *   N3. A start that fails takes down what it has built.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createCoordinator } from "../actors/coordinator/coordinator.ts";
import { type PublishedModes, publishedModes } from "../actors/coordinator/published_modes.ts";
import { SEARCH } from "../actors/retriever/search.ts";
import { openPage } from "../bridge/http/page/page.ts";
import { type Bridge, createBridge } from "../bridge/http/server.ts";
import type { Config } from "../config/schema.ts";
import { type Clock, systemClock } from "../runtime/clock.ts";
import { lockFolder } from "../runtime/folder_lock.ts";
import { type HttpListener, startHttpListener } from "../runtime/http_listener.ts";
import { type Random, systemRandom } from "../runtime/random.ts";
import { reportStrayRejections } from "../runtime/stray_rejections.ts";
import { createSupervisor, type Supervisor } from "../supervisor/supervisor.ts";
import { measureEventLoopLag } from "../telemetry/event_loop_lag.ts";
import { createLogger, type Logger } from "../telemetry/logs.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import { localTransport } from "../transport/local.ts";
import { startCore } from "./core.ts";
import { loadDocumentation } from "./documentation.ts";
import { nodeName, runtimeName, VERSION } from "./identity.ts";
import { COLLECTION_CHOICES, COLLECTION_DEFAULTS } from "./options.ts";
import { openResident } from "./resident.ts";
import { DATABASE_FILE, type Services, superviseServices } from "./services.ts";
import { NodeStatus } from "./status.ts";

export interface NodeEnvironment {
  readonly clock: Clock;
  readonly random: Random;
}

export interface KennelNode {
  /** Where the HTTP bridge listens. */
  readonly url: string;
  readonly supervisor: Supervisor;
  /** Drains and lets go of everything, within the configured limits. Idempotent. */
  stop(reason: string): Promise<void>;
}

/** What takes down one thing that a start has built. */
type Ending = (reason: string) => unknown;

/**
 * Starts a node. Rejects with what a person has to mend: the data folder is in use or of a newer format, the address is
 * taken. A vector store or a model that is away keeps no node from starting: it starts with the mode that is left.
 */
export async function startNode(
  config: Config,
  environment: NodeEnvironment = { clock: systemClock(), random: systemRandom() },
): Promise<KennelNode> {
  const endings: Ending[] = [];
  try {
    return await buildNode(config, environment, endings);
  } catch (thrown) {
    for (const end of endings.reverse()) await end("the start failed");
    throw thrown;
  }
}

async function buildNode(config: Config, { clock, random }: NodeEnvironment, endings: Ending[]): Promise<KennelNode> {
  const lock = lockFolder(config.dataDir);
  endings.push(() => lock.release()); // N1
  const name = nodeName(config);
  const logger = createLogger({ level: config.logLevel, node: name });
  const metrics = createMetrics({ version: VERSION, runtime: runtimeName(), ...config.metrics });
  endings.push(reportStrayRejections((err) => logger.error({ err }, "a rejection that nobody waited for")));
  const lag = measureEventLoopLag(clock);
  endings.push(() => lag.stop());
  const supervisor = createSupervisor({
    name,
    clock,
    random,
    logger,
    onEscalation: (path) => logger.error({ actor: path }, "an actor outlived its stop limit and was let go"),
  });
  const resident = await openResident(config, clock);
  endings.push(() => resident.workshop.close()); // retrievers that stop save what they hold
  endings.push((reason) => supervisor.stop({ reason, limitMs: config.drain.limitMs }));

  const isFirstStart = !existsSync(join(config.dataDir, DATABASE_FILE));
  const services = superviseServices(supervisor, config, clock);
  await services.documentService.whenReady(AbortSignal.timeout(config.supervision.documentStore.startTimeoutMs));
  const modes = startCoordinator(supervisor, services, config, clock, logger);
  const core = await startCore({ config, clock, random, logger, metrics, supervisor, services, modes, resident });
  endings.push(core.close, () => core.registry.drain());

  const transport = localTransport(clock);
  transport.serve(SEARCH, core.registry.search);
  const status = new NodeStatus({ name, version: VERSION, clock, supervisor, modes, lag, ...core });
  metrics.observe(status.metricSources(services.embeddingCache));
  const bridge = createBridge({
    transport,
    catalog: core.catalog,
    documents: services.documents,
    ingest: core.ingest,
    registry: core.registry,
    status,
    metrics: metrics.http,
    exposition: metrics,
    page: await openPage(),
    logger,
    clock,
    random,
    limits: config.http,
    defaults: COLLECTION_DEFAULTS,
    choices: COLLECTION_CHOICES,
    corsOrigins: config.http.corsOrigins,
    version: VERSION,
  });
  const listener = await startHttpListener(config.http, (request) => bridge.fetch(request), clock);
  status.readiness = "ok";
  const url = `http://${listener.host.includes(":") ? `[${listener.host}]` : listener.host}:${listener.port}`;
  logger.info({ url, dataDir: config.dataDir }, "serving");
  const background = new AbortController();
  void core.registry.start(background.signal);
  if (isFirstStart && config.loadDocumentation) void loadDocumentation({ ...core, logger }, COLLECTION_DEFAULTS, background.signal);

  const drain = async (reason: string): Promise<void> => {
    logger.info({ reason }, "draining");
    status.readiness = "draining"; // N2
    background.abort(new Error(reason));
    await drainBridge(bridge, listener, config, clock, logger);
    await transport.close(0);
    for (const end of endings.reverse()) await end(reason);
    logger.info({ reason }, "stopped");
  };
  let stopped: Promise<void> | null = null;
  return {
    url,
    supervisor,
    stop(reason) {
      stopped ??= drain(reason);
      return stopped;
    },
  };
}

function startCoordinator(supervisor: Supervisor, services: Services, config: Config, clock: Clock, logger: Logger): PublishedModes {
  const { board, behavior } = createCoordinator({
    clock,
    services: services.roles,
    ...config.coordinator,
    onChange: ({ failed, forcedMode }) => logger.warn({ failed: [...failed.keys()], forcedMode }, "what has failed has changed"),
  });
  supervisor.spawn({ name: "coordinator", kind: "coordinator", limits: config.supervision.janitor, behavior });
  return publishedModes(board, services.roles, config.cache.answerBytes > 0);
}

/** How long requests are refused with `draining` before connections are. */
const REFUSAL_MS = 100;

/** Serves what still arrives for one grace, then waits for what was admitted; within the drain's limit, both. */
async function drainBridge(bridge: Bridge, listener: HttpListener, config: Config, clock: Clock, logger: Logger): Promise<void> {
  const { graceMs, limitMs } = config.drain;
  bridge.announceDrain();
  await clock.sleep(graceMs, new AbortController().signal);
  bridge.refuseWork();
  await bridge
    .whenIdle(AbortSignal.timeout(limitMs))
    .catch(() => logger.warn({ inFlight: bridge.inFlight }, "requests outlived the drain's limit"));
  // Clients that are between two requests learn that the node drains; a closed door would tell them nothing.
  await clock.sleep(Math.min(graceMs, REFUSAL_MS), new AbortController().signal);
  await listener.stop(limitMs);
}
