import type { Dashboard } from "./panel.ts";
import { N, OUTCOME_COLORS, QUANTILE_COLORS, quantile, quantiles, rate, total } from "./queries.ts";

const ALONE = "A node without NATS has no such queue";

export const INGEST: Dashboard = {
  uid: "kennel-ingest",
  title: "Kennel: ingest, models and stores",
  rows: [
    {
      title: "Ingest",
      panels: [
        {
          title: "Documents by outcome",
          description: "Failed ones are red; KennelDocumentsFail begins at 5 % of them",
          unit: "cps",
          isStacked: true,
          colors: OUTCOME_COLORS,
          queries: [[rate("kennel_ingest_documents_total", "outcome"), "{{outcome}}"]],
        },
        {
          title: "Chunks",
          description: "Written to the index",
          unit: "cps",
          queries: [[rate("kennel_ingest_chunks_total", "instance"), "{{instance}}"]],
        },
        {
          title: "Jobs that ended, by status",
          description: "partial: some of its documents failed",
          unit: "cps",
          isStacked: true,
          colors: OUTCOME_COLORS,
          queries: [[rate("kennel_ingest_jobs_total", "status"), "{{status}}"]],
        },
        {
          title: "Open jobs",
          description: "That wait or run; they go on when what they wait for is back",
          unit: "short",
          queries: [[`sum by (instance) (kennel_ingest_open_jobs{${N}})`, "{{instance}}"]],
        },
        {
          title: "Duration of jobs",
          description: "From acceptance to the end",
          unit: "s",
          colors: QUANTILE_COLORS,
          queries: quantiles("kennel_ingest_job_duration_seconds"),
        },
        {
          title: "Steps of a batch, p95",
          description: "Where the time of ingest goes",
          unit: "s",
          queries: [[quantile(0.95, "kennel_ingest_step_duration_seconds", ", step"), "{{step}}"]],
        },
        {
          title: "Queue of all nodes",
          description: "Jobs that none has taken, that are being worked on, that were handed out before",
          unit: "short",
          whenEmpty: ALONE,
          queries: [
            [`max(kennel_ingest_queue_pending{${N}})`, "waiting"],
            [`max(kennel_ingest_queue_ack_pending{${N}})`, "in nodes' hands"],
            [`max(kennel_ingest_queue_redelivered{${N}})`, "handed out before"],
          ],
        },
        {
          title: "Jobs handed out again, given up",
          description: "Again: a node ended or was too slow. Given up: KennelJobsGivenUp",
          unit: "cps",
          colors: OUTCOME_COLORS,
          queries: [
            [total("kennel_ingest_redeliveries_total"), "handed out again"],
            [total("kennel_ingest_dead_letters_total"), "given up"],
          ],
        },
      ],
    },
    {
      title: "Models and stores",
      panels: [
        {
          title: "Calls that went well",
          description: "By who was called",
          unit: "reqps",
          isStacked: true,
          queries: [[rate("kennel_store_calls_total", "store", ',outcome="ok"'), "{{store}}"]],
        },
        {
          title: "Calls that failed",
          description: "By who was called, and the code",
          unit: "reqps",
          isStacked: true,
          whenEmpty: "None",
          queries: [[`${rate("kennel_store_calls_total", "store, outcome", ',outcome!="ok"')} > 0`, "{{store}}: {{outcome}}"]],
        },
        {
          title: "Duration of calls, p95",
          description: "By who was called",
          unit: "s",
          queries: [[quantile(0.95, "kennel_store_call_duration_seconds", ", store"), "{{store}}"]],
        },
        {
          title: "Tokens",
          description: "As providers count them, a second",
          unit: "cps",
          queries: [[rate("kennel_model_tokens_total", "model"), "{{model}}"]],
        },
        {
          title: "Cost an hour",
          description: "At this moment's rate, by the prices that are set",
          unit: "currencyUSD",
          queries: [[`3600 * ${rate("kennel_model_cost_dollars_total", "model")}`, "{{model}}"]],
        },
      ],
    },
    {
      title: "Connections and caches",
      panels: [
        {
          title: "Connections in use",
          description: "Of all nodes, by service; dashed: the most that there may be now",
          unit: "short",
          bounds: ".* max",
          queries: [
            [`sum by (kind) (kennel_pool_used_connections{${N}})`, "{{kind}}"],
            [`sum by (kind) (kennel_pool_limit_connections{${N}})`, "{{kind}} max"],
          ],
        },
        {
          title: "Calls that wait for a connection",
          description: "Of all nodes; KennelPoolExhausted where all connections are in use meanwhile",
          unit: "short",
          queries: [[`sum by (kind) (kennel_pool_waiting_calls{${N}})`, "{{kind}}"]],
        },
        {
          title: "Memory of caches",
          description: "By cache",
          unit: "bytes",
          queries: [[`sum by (cache) (kennel_cache_bytes{${N}})`, "{{cache}}"]],
        },
        {
          title: "Entries of caches",
          description: "By cache",
          unit: "short",
          queries: [[`sum by (cache) (kennel_cache_entries{${N}})`, "{{cache}}"]],
        },
      ],
    },
  ],
};
