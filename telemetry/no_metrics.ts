import type { Metrics } from "./metrics.ts";

const nothing = () => {};

/** What stands for the metrics of a node that is told to keep none. */
export const NO_METRICS: Metrics = {
  http: { answered: nothing, inFlight: nothing },
  search: { answered: nothing, failed: nothing, degraded: nothing },
  retriever: { activated: nothing, passivated: nothing, count: nothing },
  ingest: {
    documents: nothing,
    chunks: nothing,
    openJobs: nothing,
    jobFinished: nothing,
    redelivered: nothing,
    buried: nothing,
    step: nothing,
  },
  store: { called: nothing },
  model: { used: nothing },
  chat: { citations: nothing },
  access: { limited: nothing, refused: nothing, auditLineLost: nothing },
  upkeep: { ran: nothing },
  urlFetch: { fetched: nothing },
  alerts: { raised: nothing, told: nothing },
  nats: { count: nothing, answered: nothing },
  observe: nothing,
  forgetCollection: nothing,
  render: async () => "# This node keeps no metrics: metrics.enabled is false\n",
  renderOpen: () => NO_METRICS.render(),
  contentType: "text/plain; version=0.0.4; charset=utf-8",
};
