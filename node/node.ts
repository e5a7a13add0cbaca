/**
 * The composition root: a node is built from the bottom up and taken down in the reverse order. Nothing of it lives at
 * module level, so two can live in one process.
 *
 * Invariants:
 *   N1. The data folder is locked before anything in it is touched, and let go after everything in it is closed.
 *   N2. Readiness is true between the first moment a request can be answered and the first word of a drain.
 *   N3. A start that fails takes down what it has built.
 */
import { join } from "node:path";
import { adoptedDocuments } from "../actors/document_store/adopted_documents.ts";
import { readJob } from "../actors/document_store/finished_jobs.ts";
import { UploadFolder } from "../actors/ingest/upload_folder.ts";
import { embeddingReranker } from "../actors/reranker/embedding.ts";
import { SEARCH } from "../actors/retriever/search.ts";
import { Adopter } from "../actors/vector_store/adopter.ts";
import { openPage } from "../bridge/http/page/page.ts";
import { createBridge } from "../bridge/http/server.ts";
import type { Config } from "../config/schema.ts";
import { type Clock, systemClock } from "../runtime/clock.ts";
import { lockFolder } from "../runtime/folder_lock.ts";
import { startHttpListener } from "../runtime/http_listener.ts";
import { type Random, systemRandom } from "../runtime/random.ts";
import { reportStrayRejections } from "../runtime/stray_rejections.ts";
import { VERSION } from "../runtime/version.ts";
import { createSupervisor, type Supervisor } from "../supervisor/supervisor.ts";
import { measureEventLoopLag } from "../telemetry/event_loop_lag.ts";
import { localTransport } from "../transport/local.ts";
import { openAccess } from "./access.ts";
import { publishAlerts, startAlerts, tellFailedJobs, tellMode } from "./alerts.ts";
import { clusterName } from "./cluster/shared_stores.ts";
import { type Cluster, startCluster } from "./cluster/start_cluster.ts";
import { startCoordination } from "./coordination.ts";
import { type Core, NO_RETRIEVER_TAP, type RetrieverTap, startCore } from "./core.ts";
import { loadDocumentation } from "./documentation.ts";
import { drainBridge } from "./drain_bridge.ts";
import { type Ending, endAll } from "./endings.ts";
import { serveEndpoints } from "./endpoints.ts";
import { nodeName } from "./identity.ts";
import { openJobQueue } from "./job_queue.ts";
import { openNats } from "./nats.ts";
import { openCallout } from "./nats_callout.ts";
import { LiveFlags } from "./operators/live_flags.ts";
import { Operators } from "./operators/operators.ts";
import { WordFile } from "./operators/word_file.ts";
import { collectionChoices, collectionDefaults } from "./options.ts";
import { openResident } from "./resident.ts";
import { NO_TAP, type StoreTap } from "./services/parts.ts";
import { superviseServices } from "./services.ts";
import { NodeStatus } from "./status.ts";
import { openTelemetry, tracedTap } from "./telemetry.ts";
import { TlsFiles } from "./tls.ts";
import { openUrlSource } from "./url_source.ts";

export interface NodeEnvironment {
  readonly clock: Clock;
  readonly random: Random;
  /** @default nothing stands between the stores and their actors */
  readonly tap?: StoreTap;
  /** Changes what a retriever does before its supervisor has it. @default nothing */
  readonly retrieverTap?: RetrieverTap;
}

export interface KennelNode {
  /** Where the HTTP bridge listens. */
  readonly url: string;
  readonly supervisor: Supervisor;
  /** Drains and lets go of everything, within the configured limits. Idempotent. */
  stop(reason: string): Promise<void>;
}

/** In the data folder: files that belong to no collection yet. */
const UPLOADS_FOLDER = "uploads";
/** In the data folder: what operators have said that holds after a restart. */
const OPERATORS_FILE = "operators.json";

/** Time for NATS to know that a node leaves, and then for its last answers to be sent. */
const NATS_CLOSE_MS = 2_000;

/** Time for the batches that run, so that other nodes have their jobs at once. */
const LEAVE_JOBS_MS = 2_000;
/** Time for the last spans to be sent. */
const TRACES_STOP_MS = 2_000;

/**
 * Starts a node. Rejects with what a person has to mend: the data folder is in use, it or the database is of a newer
 * format, the address is taken. A server that is away keeps no node from starting: it starts with the mode that is left.
 */
export async function startNode(
  config: Config,
  environment: NodeEnvironment = { clock: systemClock(), random: systemRandom() },
): Promise<KennelNode> {
  const endings: Ending[] = [];
  try {
    return await buildNode(config, environment, endings);
  } catch (thrown) {
    await endAll(endings, "the start failed", () => {}); // why it failed says more
    throw thrown;
  }
}

async function buildNode(
  config: Config,
  { clock, random, tap = NO_TAP, retrieverTap = NO_RETRIEVER_TAP }: NodeEnvironment,
  endings: Ending[],
): Promise<KennelNode> {
  const lock = lockFolder(config.dataDir);
  endings.push(() => lock.release()); // N1
  const name = nodeName(config);
  const { redaction, tracer, logger, metrics } = await openTelemetry(config, name, clock, random);
  endings.push(() => tracer.stop(TRACES_STOP_MS));
  endings.push(reportStrayRejections((err) => logger.error({ err }, "a rejection that nobody waited for")));
  const lag = measureEventLoopLag(clock);
  endings.push(() => lag.stop());
  const supervisor = createSupervisor({
    name,
    clock,
    random,
    logger,
    tracer,
    onEscalation: (path) => logger.error({ actor: path }, "an actor outlived its stop limit and was let go"),
  });
  const resident = await openResident(config, clock);
  endings.push(() => resident.search.scans.close());
  endings.push(() => resident.workshop.close()); // retrievers that stop save what they hold
  endings.push((reason) => supervisor.stop({ reason, limitMs: config.drain.limitMs }));

  const live = new LiveFlags(config.flags);
  const flags = live.values;
  const alerts = startAlerts({ supervisor, config, clock, random, metrics, redaction, bytesAboveHighWater: resident.bytesAboveHighWater });
  endings.push(() => alerts.stop());
  const services = await superviseServices({
    supervisor,
    config,
    flags,
    clock,
    random,
    logger,
    metrics,
    tap: tracedTap(tap, tracer, config),
    tracer,
  });
  const coordination = startCoordination(supervisor, services, config, flags, clock, logger, tellMode(alerts));
  const { modes } = coordination;
  const uploads = new UploadFolder(join(config.dataDir, UPLOADS_FOLDER), config.uploads, clock, random);
  await uploads.open();
  const nats = openNats({ config, name, clock, random, logger, metrics });
  const jobQueue = openJobQueue({ nats, config, name, clock, random, logger, metrics });
  endings.push(() => jobQueue?.stop());
  let cluster: Cluster | null = null;
  const core = startCore({
    config,
    clock,
    random,
    logger,
    metrics: { ...metrics, ingest: tellFailedJobs(metrics.ingest, alerts) },
    tracer,
    supervisor,
    services,
    modes,
    flags,
    resident,
    retrieverTap,
    uploads,
    jobQueue,
    isPlacedHere: (collection) => cluster?.isPlacedHere(collection) ?? true,
    onChanged: (collection) => cluster?.changed(collection),
    onAliasChanged: (alias) => cluster?.aliasChanged(alias),
  });
  endings.push(core.close, () => core.registry.drain());
  await Promise.all([core.settled, services.settled]);
  const operators = new Operators({
    node: name,
    start: config.flags,
    live,
    file: new WordFile(join(config.dataDir, OPERATORS_FILE), clusterName(config, random)),
    modes,
    force: coordination.control.force,
    onSwitched: (switched) => {
      for (const flag of switched) void core.registry.switched(flag);
    },
    clock,
    logger,
  });
  await operators.restore();

  const local = localTransport(clock);
  local.serve(SEARCH, core.registry.search, core.registry.ready);
  let url = "";
  if (nats !== null) {
    publishAlerts(alerts, nats.link);
    const { documents } = services;
    const { count } = metrics.nats;
    const { link } = nats;
    const answerClients = (isAnswering: boolean) => nats.setAnswering(isAnswering);
    cluster = startCluster({
      name,
      config,
      clock,
      random,
      logger,
      tracer,
      lag,
      core,
      flags,
      operators,
      mode: () => (core.catalog.isLoaded ? modes.read("store", false).mode : "down"),
      documents,
      local,
      link,
      answerClients,
      count,
      url: () => url,
    });
    endings.push(cluster.stop);
  }
  const transport = cluster?.transport ?? local;
  serveEndpoints({ config, clock, local, transport, services, modes, metrics });
  const { log: modeLog } = coordination;
  const describeCluster = () => cluster?.describe() ?? null;
  const status = new NodeStatus({
    name,
    version: VERSION,
    clock,
    supervisor,
    services,
    modes,
    modeLog,
    flags: operators,
    lag,
    tracer,
    ...core,
    nats,
    jobQueue,
    describeCluster,
  });
  metrics.observe(status.metricSources(services.caches));
  const { close: closeAccess, ...access } = await openAccess({ config, name, clock, logger, metrics });
  endings.push(closeAccess);
  const bridge = createBridge({
    transport,
    streams: transport,
    catalog: core.catalog,
    adoption: new Adopter(services.foreign, services.embedding, config.resident.maxChunks),
    documents: {
      ...adoptedDocuments(services.documents, core.catalog, services.foreign),
      getJob: (id, signal) => readJob(services.documents, core.catalog, id, signal),
    },
    ingest: core.ingest,
    registry: core.registry,
    embedding: services.embedding,
    uploads,
    urls: openUrlSource(config, { clock, logger, metrics }),
    reranker: services.reranker ?? embeddingReranker(services.embedding),
    status,
    upkeep: core.upkeep,
    modes: operators,
    flags: operators,
    metrics: metrics.http,
    exposition: tracer.isOn ? metrics : { contentType: metrics.contentType, render: metrics.render },
    page: await openPage(),
    ...access,
    logger,
    tracer,
    loggedShare: config.logRequests,
    clock,
    random,
    limits: config.http,
    reindex: config.reindex,
    defaults: collectionDefaults(services.embedding.name),
    choices: collectionChoices(services.embedding.name, config),
    version: VERSION,
  });
  const tls = await TlsFiles.open({ config, clock, logger });
  const listener = await startHttpListener(config.http, (request) => bridge.answer(request), clock, tls?.material ?? null);
  tls?.follow((material) => listener.replaceTls(material));
  endings.push(() => tls?.close());
  const callout = nats === null ? null : openCallout({ config, name, clock, random, logger, metrics }, nats, access);
  endings.push(() => callout?.stop());
  nats?.serve(bridge); // in the background: a node that cannot reach NATS serves over HTTP
  const becomeReady = () => {
    if (status.readiness === "starting") status.readiness = "ok";
  };
  // Of several nodes, one that knows no collections yet leaves the questions to those that do; one that is alone is asked, and says what is amiss.
  if (cluster === null) becomeReady();
  url = `${tls === null ? "http" : "https"}://${listener.host.includes(":") ? `[${listener.host}]` : listener.host}:${listener.port}`;
  logger.info({ url }, "serving");
  const background = new AbortController();
  const begin = () => {
    becomeReady();
    void warm(core, cluster, background.signal);
    if (services.isFirstStart() && config.loadDocumentation)
      void loadDocumentation({ ...core, logger }, collectionDefaults(services.embedding.name), background.signal);
  };
  core.known.then(begin, (err: unknown) => {
    if (!background.signal.aborted) logger.error({ err }, "what works on the collections could not begin: this node is not ready");
  });

  const drain = async (reason: string): Promise<void> => {
    logger.info({ reason }, "draining");
    alerts.raise("draining", name, reason);
    status.readiness = "draining"; // N2
    background.abort(new Error(reason));
    await nats?.leave(NATS_CLOSE_MS);
    await Promise.all([drainBridge(bridge, listener, config, clock, logger), cluster?.leave(), core.leaveJobs(LEAVE_JOBS_MS)]);
    await cluster?.close(NATS_CLOSE_MS);
    await nats?.link.close(NATS_CLOSE_MS);
    await local.close(0);
    await endAll(endings, reason, (err) => logger.error({ err }, "a part of the node did not end well; the rest ends all the same"));
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

/** In a cluster once it is known which collections are to be here; their indexes are compared with the documents by a node that is alone. */
async function warm(core: Core, cluster: Cluster | null, signal: AbortSignal): Promise<void> {
  await cluster?.whenGathered(signal).catch(() => undefined); // the node stops: both end at once
  if (cluster === null || cluster.isAlone) void core.audit();
  await core.registry.start(signal);
}
