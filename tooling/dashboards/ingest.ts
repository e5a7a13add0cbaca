import type { Dashboard } from "./panel.ts";
import { N, quantile, quantiles, rate } from "./queries.ts";

export const INGEST: Dashboard = {
  uid: "kennel-ingest",
  title: "Kennel: ingest, models and stores",
  rows: [
    {
      title: "Ingest",
      panels: [
        {
          title: "Documents",
          description: "By what became of them",
          unit: "ops",
          isStacked: true,
          queries: [[rate("kennel_ingest_documents_total", "outcome"), "{{outcome}}"]],
        },
        {
          title: "Chunks",
          description: "Written to the index",
          unit: "ops",
          queries: [[rate("kennel_ingest_chunks_total", "instance"), "{{instance}}"]],
        },
        {
          title: "Open jobs",
          description: "That wait or run",
          unit: "short",
          queries: [[`sum by (instance) (kennel_ingest_open_jobs{${N}})`, "{{instance}}"]],
        },
        {
          title: "Queue of all nodes",
          description:
            "Jobs that none has taken, that are being worked on, that were handed out before; jobs handed out again and given up, a second",
          unit: "short",
          queries: [
            [`max(kennel_ingest_queue_pending{${N}})`, "waiting"],
            [`max(kennel_ingest_queue_ack_pending{${N}})`, "in nodes' hands"],
            [`max(kennel_ingest_queue_redelivered{${N}})`, "handed out before"],
            [`sum(rate(kennel_ingest_redeliveries_total{${N}}[$__rate_interval]))`, "handed out again"],
            [`sum(rate(kennel_ingest_dead_letters_total{${N}}[$__rate_interval]))`, "given up"],
          ],
        },
        {
          title: "Jobs that ended",
          description: "By status",
          unit: "ops",
          queries: [[rate("kennel_ingest_jobs_total", "status"), "{{status}}"]],
        },
        { title: "Jobs", description: "From acceptance to the end", unit: "s", queries: quantiles("kennel_ingest_job_duration_seconds") },
        {
          title: "Steps, p95",
          description: "Of one batch",
          unit: "s",
          queries: [[quantile(0.95, "kennel_ingest_step_duration_seconds", ", step"), "{{step}}"]],
        },
      ],
    },
    {
      title: "Models",
      panels: [
        {
          title: "Calls",
          description: "By outcome",
          unit: "reqps",
          isStacked: true,
          queries: [[rate("kennel_store_calls_total", "store, outcome"), "{{store}}: {{outcome}}"]],
        },
        {
          title: "Calls, p95",
          description: "Of each provider",
          unit: "s",
          queries: [[quantile(0.95, "kennel_store_call_duration_seconds", ", store"), "{{store}}"]],
        },
        {
          title: "Tokens",
          description: "As providers count them",
          unit: "ops",
          queries: [[rate("kennel_model_tokens_total", "model"), "{{model}}"]],
        },
        {
          title: "Cost an hour",
          description: "By the prices that are set",
          unit: "currencyUSD",
          queries: [[`3600 * ${rate("kennel_model_cost_dollars_total", "model")}`, "{{model}}"]],
        },
      ],
    },
    {
      title: "Connections and caches",
      panels: [
        {
          title: "Connections",
          description: "Of each service",
          unit: "short",
          queries: [
            [`sum by (actor) (kennel_pool_used_connections{${N}})`, "{{actor}} in use"],
            [`sum by (actor) (kennel_pool_idle_connections{${N}})`, "{{actor}} idle"],
            [`sum by (actor) (kennel_pool_limit_connections{${N}})`, "{{actor}} now at most"],
          ],
        },
        {
          title: "Calls that wait",
          description: "For a connection",
          unit: "short",
          queries: [[`sum by (actor) (kennel_pool_waiting_calls{${N}})`, "{{actor}}"]],
        },
        {
          title: "Caches",
          description: "Memory of each",
          unit: "bytes",
          queries: [[`sum by (cache) (kennel_cache_bytes{${N}})`, "{{cache}}"]],
        },
        {
          title: "Entries",
          description: "Of each cache",
          unit: "short",
          queries: [[`sum by (cache) (kennel_cache_entries{${N}})`, "{{cache}}"]],
        },
      ],
    },
  ],
};
