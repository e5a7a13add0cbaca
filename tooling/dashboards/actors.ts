import type { Dashboard } from "./panel.ts";
import { N, quantiles, rate, worst } from "./queries.ts";

export const ACTORS: Dashboard = {
  uid: "kennel-actors",
  title: "Kennel: actors and process",
  rows: [
    {
      title: "Supervision",
      panels: [
        {
          title: "Actors by state",
          description: "suspended: its breaker is open",
          unit: "short",
          isStacked: true,
          queries: [[`sum by (state) (kennel_actors{${N}})`, "{{state}}"]],
        },
        {
          title: "Breakers",
          description: "0 closed, 1 half open, 2 open",
          unit: "short",
          queries: [[worst("kennel_actor_breaker"), "{{actor}}"]],
        },
        {
          title: "Services",
          description: "1: it takes work, 0: its breaker is not closed",
          unit: "short",
          queries: [[`min by (dependency) (kennel_dependency_up{${N}})`, "{{dependency}}"]],
        },
        {
          title: "Restarts",
          description: "Within the period of the restart intensity",
          unit: "short",
          queries: [[worst("kennel_actor_restarts_in_window"), "{{actor}}"]],
        },
        {
          title: "Incarnations",
          description: "Lives since the node started",
          unit: "short",
          queries: [[worst("kennel_actor_incarnation"), "{{actor}}"]],
        },
      ],
    },
    {
      title: "Mailboxes",
      panels: [
        {
          title: "Depth",
          description: "Messages that wait",
          unit: "short",
          queries: [[`topk(10, ${worst("kennel_actor_mailbox_depth")})`, "{{actor}}"]],
        },
        {
          title: "Oldest message",
          description: "How long it has waited",
          unit: "s",
          queries: [[`topk(10, ${worst("kennel_actor_mailbox_oldest_seconds")})`, "{{actor}}"]],
        },
        {
          title: "In flight",
          description: "Calls that are worked on",
          unit: "short",
          queries: [[`topk(10, ${worst("kennel_actor_in_flight")})`, "{{actor}}"]],
        },
        {
          title: "Answers, p99",
          description: "Of each actor's recent ones",
          unit: "s",
          queries: [[`topk(10, ${worst("kennel_actor_latency_p99_seconds")})`, "{{actor}}"]],
        },
      ],
    },
    {
      title: "Retrievers",
      panels: [
        {
          title: "In memory",
          description: "Retrievers by node",
          unit: "short",
          queries: [[`sum by (instance) (kennel_retrievers_active{${N}})`, "{{instance}}"]],
        },
        {
          title: "Their memory",
          description: "As they count it",
          unit: "bytes",
          queries: [[`sum by (instance) (kennel_retriever_bytes{${N}})`, "{{instance}}"]],
        },
        {
          title: "Brought in, let go",
          description: "Many of both: collections do not fit",
          unit: "ops",
          queries: [
            [rate("kennel_retriever_activations_total", "outcome"), "activated: {{outcome}}"],
            [rate("kennel_retriever_passivations_total", "reason"), "let go: {{reason}}"],
          ],
        },
        {
          title: "Activation",
          description: "Until a retriever answers",
          unit: "s",
          queries: quantiles("kennel_retriever_activation_duration_seconds"),
        },
        {
          title: "Events",
          description: "What should be rare",
          unit: "ops",
          queries: [[rate("kennel_retriever_events_total", "event"), "{{event}}"]],
        },
      ],
    },
    {
      title: "Process",
      panels: [
        {
          title: "Memory",
          description: "Against what the process may have",
          unit: "bytes",
          queries: [
            [`kennel_process_resident_bytes{${N}}`, "{{instance}}"],
            [`kennel_process_heap_used_bytes{${N}}`, "{{instance}} heap"],
            [`kennel_process_memory_limit_bytes{${N}}`, "{{instance}} limit"],
          ],
        },
        {
          title: "Processors",
          description: "In use",
          unit: "short",
          queries: [[rate("kennel_process_cpu_seconds_total", "instance"), "{{instance}}"]],
        },
        {
          title: "Event loop",
          description: "How late timers fire",
          unit: "s",
          queries: [[`max by (instance, quantile) (kennel_event_loop_lag_seconds{${N}})`, "{{instance}} {{quantile}}"]],
        },
        {
          title: "Uptime",
          description: "Since the node started",
          unit: "s",
          queries: [[`kennel_process_uptime_seconds{${N}}`, "{{instance}}"]],
        },
      ],
    },
  ],
};
