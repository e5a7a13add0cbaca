import type { Color, Dashboard } from "./panel.ts";
import { N, OUTCOME_COLORS, QUANTILE_COLORS, quantile, quantiles, rate, share, total } from "./queries.ts";

const ASKED = ',route=~".*/(search|chat/completions)"';
/** Probes and scrapes are no use of the node. */
const USE = ',route!~"/(metrics|healthz|readyz)"';
const MODE_COLORS: Readonly<Record<string, Color>> = {
  full: "green",
  no_rewrite: "blue",
  no_rerank: "purple",
  basic: "yellow",
  lexical: "orange",
  stale: "dark-orange",
  down: "red",
};
const CODE_COLORS: Readonly<Record<string, Color>> = {
  "invalid_request|not_found|cancelled": "blue",
  "overloaded|deadline_exceeded": "orange",
  "internal|unavailable|draining|degraded": "red",
};

export const OVERVIEW: Dashboard = {
  uid: "kennel-overview",
  title: "Kennel: searches",
  rows: [
    {
      title: "Is it well?",
      panels: [
        {
          title: "Nodes by version",
          description: "That answer; two versions only during an update",
          unit: "short",
          kind: "number",
          queries: [[`count by (version) (kennel_build_info{${N}})`, "{{version}}"]],
        },
        {
          title: "Nodes not in full",
          description: "Their mode leaves something out",
          unit: "short",
          kind: "number",
          thresholds: { warning: 1 },
          queries: [[`count(kennel_mode{${N},mode="full"} == 0) or vector(0)`, "nodes"]],
        },
        {
          title: "Open breakers",
          description: "Actors that are suspended",
          unit: "short",
          kind: "number",
          thresholds: { bad: 1 },
          queries: [[`count(kennel_actor_breaker{${N}} == 2) or vector(0)`, "actors"]],
        },
        {
          title: "Searches",
          description: "Answered, whatever the mode",
          unit: "reqps",
          kind: "number",
          queries: [[total("kennel_search_strategies_total"), "searches"]],
        },
        {
          title: "Search, p99",
          description: "KennelSearchesSlow begins at 1 s",
          unit: "s",
          kind: "number",
          thresholds: { warning: 1 },
          queries: [[quantile(0.99, "kennel_search_phase_duration_seconds", "", ',phase="total"'), "p99"]],
        },
        {
          title: "Less than full",
          description: "Share of searches that were answered in a lesser mode",
          unit: "percentunit",
          kind: "number",
          thresholds: { warning: 0.01 },
          queries: [[share(total("kennel_searches_total", ',mode!="full"'), total("kennel_searches_total")), "lesser"]],
        },
        {
          title: "Failed: 5xx",
          description: "Share of searches and chats that the server failed; KennelSearchErrors begins at 1 %",
          unit: "percentunit",
          kind: "number",
          thresholds: { bad: 0.01 },
          queries: [
            [share(total("kennel_http_requests_total", `${ASKED},status=~"5.."`), total("kennel_http_requests_total", ASKED)), "failed"],
          ],
        },
        {
          title: "Refused: 429",
          description: "Share of requests that found something full; KennelOverloaded begins at 1 %",
          unit: "percentunit",
          kind: "number",
          thresholds: { warning: 0.01 },
          queries: [[share(total("kennel_http_requests_total", ',status="429"'), total("kennel_http_requests_total", USE)), "refused"]],
        },
        {
          title: "Nodes by mode",
          description: "All should be in full",
          unit: "short",
          isStacked: true,
          colors: MODE_COLORS,
          queries: [[`sum by (mode) (kennel_mode{${N}}) > 0`, "{{mode}}"]],
        },
        {
          title: "Searches by mode",
          description: "What callers were given",
          unit: "reqps",
          isStacked: true,
          colors: MODE_COLORS,
          queries: [[`${rate("kennel_searches_total", "mode")} > 0`, "{{mode}}"]],
        },
        {
          title: "Searches that failed, by code",
          description: "Blue: the caller's doing; orange: too much or too slow; red: the server's",
          unit: "reqps",
          isStacked: true,
          colors: CODE_COLORS,
          whenEmpty: "None",
          queries: [[`${rate("kennel_search_failures_total", "code")} > 0`, "{{code}}"]],
        },
      ],
    },
    {
      title: "How fast",
      panels: [
        {
          title: "Search",
          description: "Inside the node, kept answers left out; KennelSearchesSlow begins at a p99 of 1 s",
          unit: "s",
          thresholds: { warning: 1 },
          colors: QUANTILE_COLORS,
          queries: quantiles("kennel_search_phase_duration_seconds", ',phase="total"'),
        },
        {
          title: "Phases of a search, p95",
          description: "Where the time goes",
          unit: "s",
          queries: [[quantile(0.95, "kennel_search_phase_duration_seconds", ", phase", ',phase!="total"'), "{{phase}}"]],
        },
        {
          title: "HTTP by route, p95",
          description: "From a request's head to its answer's end; the ten slowest",
          unit: "s",
          legend: "table",
          queries: [[`topk(10, ${quantile(0.95, "kennel_http_request_duration_seconds", ", route", USE)})`, "{{route}}"]],
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
          colors: { "2..": "green", "3..": "blue", "4(?!29)..": "yellow", 429: "orange", "5..": "red" },
          queries: [[rate("kennel_http_requests_total", "status", USE), "{{status}}"]],
        },
        {
          title: "Requests in flight",
          description: "Being answered now; what nodes are scaled by",
          unit: "short",
          queries: [[`sum by (instance) (kennel_http_requests_in_flight{${N}})`, "{{instance}}"]],
        },
        {
          title: "Searches by strategy",
          description: "The one that was used, whoever chose it",
          unit: "reqps",
          isStacked: true,
          queries: [[rate("kennel_search_strategies_total", "strategy"), "{{strategy}}"]],
        },
        {
          title: "Busiest collections",
          description: "Searches of the first ten",
          unit: "reqps",
          legend: "table",
          queries: [[`topk(10, ${rate("kennel_searches_total", "collection")} > 0)`, "{{collection}}"]],
        },
      ],
    },
    {
      title: "What was missing, what was kept",
      panels: [
        {
          title: "Degradations",
          description: "What answers went without, and why",
          unit: "reqps",
          whenEmpty: "None",
          queries: [[`${rate("kennel_search_degradations_total", "stage, reason")} > 0`, "{{stage}}: {{reason}}"]],
        },
        {
          title: "Hits of caches",
          description: "Share of look-ups, by cache",
          unit: "percentunit",
          max: 1,
          queries: [
            [
              `${rate("kennel_cache_lookups_total", "cache", ',result="hit"')} / ${rate("kennel_cache_lookups_total", "cache")}`,
              "{{cache}}",
            ],
          ],
        },
        {
          title: "Citations of chats",
          description: "Dropped: not in what they cite, so that callers do not see them; KennelCitationsDropped begins at a fifth",
          unit: "cps",
          isStacked: true,
          colors: OUTCOME_COLORS,
          queries: [[rate("kennel_chat_citations_total", "outcome"), "{{outcome}}"]],
        },
      ],
    },
  ],
};
