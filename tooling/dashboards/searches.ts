import type { Dashboard } from "./panel.ts";
import { N, quantile, quantiles, rate } from "./queries.ts";

export const OVERVIEW: Dashboard = {
  uid: "kennel-overview",
  title: "Kennel: searches",
  rows: [
    {
      title: "Is it well?",
      panels: [
        {
          title: "Nodes",
          description: "That answer, by version",
          unit: "short",
          queries: [[`count by (version) (kennel_build_info{${N}})`, "{{version}}"]],
        },
        {
          title: "Mode",
          description: "Nodes in each mode; all should be in full",
          unit: "short",
          isStacked: true,
          queries: [[`sum by (mode) (kennel_mode{${N}})`, "{{mode}}"]],
        },
        {
          title: "Searches by mode",
          description: "What callers were given",
          unit: "reqps",
          isStacked: true,
          queries: [[rate("kennel_searches_total", "mode"), "{{mode}}"]],
        },
        {
          title: "Searches that failed",
          description: "By code; none is good",
          unit: "reqps",
          queries: [[rate("kennel_search_failures_total", "code"), "{{code}}"]],
        },
      ],
    },
    {
      title: "How fast",
      panels: [
        {
          title: "Search",
          description: "Inside the node, kept answers left out",
          unit: "s",
          queries: quantiles("kennel_search_phase_duration_seconds", ',phase="total"'),
        },
        {
          title: "Phases, p95",
          description: "Where the time goes",
          unit: "s",
          queries: [[quantile(0.95, "kennel_search_phase_duration_seconds", ", phase", ',phase!="total"'), "{{phase}}"]],
        },
        {
          title: "HTTP, p95 by route",
          description: "From a request's head to its answer's end",
          unit: "s",
          queries: [[quantile(0.95, "kennel_http_request_duration_seconds", ", route"), "{{route}}"]],
        },
      ],
    },
    {
      title: "What is asked",
      panels: [
        {
          title: "Requests by status",
          description: "429: refused because something is full; 5xx: failed",
          unit: "reqps",
          isStacked: true,
          queries: [[rate("kennel_http_requests_total", "status"), "{{status}}"]],
        },
        {
          title: "In flight",
          description: "Requests being answered; what nodes are scaled by",
          unit: "short",
          queries: [[`sum by (instance) (kennel_http_requests_in_flight{${N}})`, "{{instance}}"]],
        },
        {
          title: "Strategies",
          description: "Searches by strategy",
          unit: "reqps",
          isStacked: true,
          queries: [[rate("kennel_search_strategies_total", "strategy"), "{{strategy}}"]],
        },
        {
          title: "Busiest collections",
          description: "Searches of the first ten",
          unit: "reqps",
          queries: [[`topk(10, ${rate("kennel_searches_total", "collection")})`, "{{collection}}"]],
        },
      ],
    },
    {
      title: "What was missing, what was kept",
      panels: [
        {
          title: "Degradations",
          description: "What answers went without",
          unit: "reqps",
          queries: [[rate("kennel_search_degradations_total", "stage, reason"), "{{stage}}: {{reason}}"]],
        },
        {
          title: "Hits of caches",
          description: "Share of look-ups, by cache",
          unit: "percentunit",
          queries: [
            [
              `${rate("kennel_cache_lookups_total", "cache", ',result="hit"')} / ${rate("kennel_cache_lookups_total", "cache")}`,
              "{{cache}}",
            ],
          ],
        },
        {
          title: "Citations",
          description: "Of chat answers; dropped ones do not reach the caller",
          unit: "ops",
          queries: [[rate("kennel_chat_citations_total", "outcome"), "{{outcome}}"]],
        },
      ],
    },
  ],
};
