import type { Dashboard } from "./panel.ts";
import { highest, N, OUTCOME_COLORS, QUANTILE_COLORS, quantiles, rate, worst, worstOfKind } from "./queries.ts";

export const ACTORS: Dashboard = {
  uid: "kennel-actors",
  title: "Kennel: actors and process",
  rows: [
    {
      title: "Supervision",
      panels: [
        {
          title: "Services",
          description: "Whether they take work on every node; away: a breaker is not closed",
          unit: "short",
          kind: "states",
          words: { 0: ["away", "red"], 1: ["takes work", "green"] },
          queries: [[`min by (dependency) (kennel_dependency_up{${N}})`, "{{dependency}}"]],
        },
        {
          title: "Breakers that are not closed",
          description: "Open: calls are refused; half open: it is tried out",
          unit: "short",
          kind: "states",
          words: { 1: ["half open", "orange"], 2: ["open", "red"] },
          whenEmpty: "All are closed",
          queries: [[worst("kennel_actor_breaker"), "{{actor}}"]],
        },
        {
          title: "Actors by state",
          description: "suspended: its breaker is open",
          unit: "short",
          isStacked: true,
          colors: { ready: "green", starting: "blue", probing: "orange", suspended: "red", draining: "purple", stopped: "text" },
          queries: [[`sum by (state) (kennel_actors{${N}})`, "{{state}}"]],
        },
        {
          title: "Restarts",
          description: "Within the period of the restart intensity; KennelRestarting begins at 3",
          unit: "short",
          legend: "table",
          thresholds: { warning: 3 },
          whenEmpty: "None",
          queries: [[highest("kennel_actor_restarts_in_window"), "{{actor}}"]],
        },
        {
          title: "Lives",
          description: "Incarnations of actors that have had more than one since the node started; each try of a suspended one is one too",
          unit: "short",
          legend: "table",
          whenEmpty: "None has had a second one",
          queries: [[`topk(10, ${worst("kennel_actor_incarnation", 1)})`, "{{actor}}"]],
        },
      ],
    },
    {
      title: "Mailboxes",
      panels: [
        {
          title: "Messages that wait",
          description: "In the deepest mailbox of each kind of actors",
          unit: "short",
          legend: "table",
          queries: [[worstOfKind("kennel_actor_mailbox_depth"), "{{kind}}"]],
        },
        {
          title: "Oldest message",
          description: "How long it has waited, of each kind; KennelMailboxOld begins at 5 s, and names the actor",
          unit: "s",
          legend: "table",
          thresholds: { warning: 5 },
          queries: [[worstOfKind("kennel_actor_mailbox_oldest_seconds"), "{{kind}}"]],
        },
        {
          title: "Calls in flight",
          description: "That the busiest actor of each kind works on",
          unit: "short",
          legend: "table",
          queries: [[worstOfKind("kennel_actor_in_flight"), "{{kind}}"]],
        },
        {
          title: "Answers, p99",
          description: "Of recent ones, of the ten slowest actors",
          unit: "s",
          legend: "table",
          queries: [[highest("kennel_actor_latency_p99_seconds"), "{{actor}}"]],
        },
      ],
    },
    {
      title: "Retrievers",
      panels: [
        {
          title: "Retrievers in memory",
          description: "By node",
          unit: "short",
          queries: [[`sum by (instance) (kennel_retrievers_active{${N}})`, "{{instance}}"]],
        },
        {
          title: "Memory of retrievers",
          description: "As they count it",
          unit: "bytes",
          queries: [[`sum by (instance) (kennel_retriever_bytes{${N}})`, "{{instance}}"]],
        },
        {
          title: "Brought in, let go",
          description: "Many of both: collections do not fit",
          unit: "cps",
          colors: OUTCOME_COLORS,
          queries: [
            [rate("kennel_retriever_activations_total", "outcome"), "activated: {{outcome}}"],
            [rate("kennel_retriever_passivations_total", "reason"), "let go: {{reason}}"],
          ],
        },
        {
          title: "Activation",
          description: "Until a retriever answers",
          unit: "s",
          colors: QUANTILE_COLORS,
          queries: quantiles("kennel_retriever_activation_duration_seconds"),
        },
        {
          title: "Rare events of retrievers",
          description: "Candidates and passages that were gone, load that was shed, warming that failed",
          unit: "cps",
          whenEmpty: "None",
          queries: [[rate("kennel_retriever_events_total", "event"), "{{event}}"]],
        },
      ],
    },
    {
      title: "Process",
      panels: [
        {
          title: "Memory in use",
          description: "Resident, of the fullest node, as a share of what it may have; KennelMemoryHigh begins at 90 %",
          unit: "percentunit",
          kind: "number",
          thresholds: { warning: 0.8, bad: 0.9 },
          queries: [[`max(kennel_process_resident_bytes{${N}} / kennel_process_memory_limit_bytes{${N}})`, "fullest"]],
        },
        {
          title: "Youngest node",
          description: "Time since the last start of any",
          unit: "s",
          kind: "number",
          queries: [[`min(kennel_process_uptime_seconds{${N}})`, "youngest"]],
        },
        {
          title: "Memory",
          description: "Resident, and the part of it that JavaScript uses",
          unit: "bytes",
          queries: [
            [`kennel_process_resident_bytes{${N}}`, "{{instance}} resident"],
            [`kennel_process_heap_used_bytes{${N}}`, "{{instance}} heap"],
          ],
        },
        {
          title: "Processors in use",
          description: "User and system; 1 is one of them all the time",
          unit: "none",
          queries: [[rate("kennel_process_cpu_seconds_total", "instance"), "{{instance}}"]],
        },
        {
          title: "Event loop",
          description: "How late timers fired in the last 20 s; KennelEventLoopLag begins at a p99 of 200 ms",
          unit: "s",
          thresholds: { warning: 0.2 },
          queries: [
            [`max by (instance) (kennel_event_loop_lag_seconds{${N},quantile="0.5"})`, "{{instance}} p50"],
            [`max by (instance) (kennel_event_loop_lag_seconds{${N},quantile="0.99"})`, "{{instance}} p99"],
          ],
        },
      ],
    },
  ],
};
