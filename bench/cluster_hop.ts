import { atMost, type BenchContext, plain, type Report } from "./harness/benchmark.ts";
import { type ClusterRig, opened, settled } from "./harness/cluster_rig.ts";
import type { HopCommand, HopResult } from "./harness/hop_measure.ts";
import { startSideProcess } from "./harness/side_process.ts";
import { quantile } from "./harness/statistics.ts";
import type { BareNatsCommand } from "./rivals/bare_nats.ts";

const SUBJECT = "bench.bare";
const WARM_ROUNDS = 300;
/** Of an answer of ten hits with their texts; what is measured says how large it really was. */
const ANSWER_BYTES = 6_000;
const [HOP_MS, HOP_RATIO] = [0.6, 2.5] as const;

/**
 * The same queries of the node that holds the collection in memory and of one that has to ask it, in turns, beside bare
 * requests over the same two NATS servers.
 */
export async function measureHop(
  rig: ClusterRig,
  collection: string,
  queries: readonly string[],
  { isQuick, progress }: BenchContext,
): Promise<Report> {
  progress("a hop: starting two nodes");
  // Each on a server of its own, so that a hop crosses two, as the bare request does.
  const nodes = [
    await rig.startNode("hop-1", { KENNEL_NATS_URL: rig.nats[0]?.url as string }),
    await rig.startNode("hop-2", { KENNEL_NATS_URL: rig.nats[1]?.url as string }),
  ] as const;
  const answering = startSideProcess(new URL("./rivals/bare_nats.ts", import.meta.url));
  const asking = startSideProcess(new URL("./harness/hop_measure.ts", import.meta.url));
  try {
    await opened(nodes[0], [collection]);
    const view = await settled(nodes, nodes.length, [collection]);
    const owner = view.collections.find((place) => place.collection === collection)?.owners[0];
    const [local, other] = owner === "hop-1" ? nodes : [nodes[1], nodes[0]];
    await local.resident(collection);
    const bare: BareNatsCommand = { natsUrl: rig.nats[1]?.url as string, subject: SUBJECT, answerBytes: ANSWER_BYTES };
    await answering.ask(bare);
    const command: HopCommand = {
      localPort: local.port,
      otherPort: other.port,
      path: `/v1/collections/${collection}/search`,
      headers: { "cache-control": "no-cache" },
      bodies: queries.map((query) => JSON.stringify({ query, top_k: 10 })),
      rounds: WARM_ROUNDS,
      natsUrl: rig.nats[0]?.url as string,
      subject: SUBJECT,
    };
    await asking.ask<HopResult>(command);
    progress("a hop: asking");
    const result = await asking.ask<HopResult>({ ...command, rounds: isQuick ? 300 : 5_000 } satisfies HopCommand);
    await local.call("DELETE", `/v1/collections/${collection}`); // what comes next is to be shared out evenly
    const report = reportOf(result);
    progress(report.figures.map(({ name, value, unit }) => `${name} ${value.toFixed(2)} ${unit}`).join("; "));
    return report;
  } finally {
    await Promise.all([answering.stop(), asking.stop(), ...nodes.map((node) => node.stop())]);
  }
}

function reportOf({ localMs, forwardedMs, bareMs, failures, answerBytes }: HopResult): Report {
  const [local, forwarded, bare] = [localMs, forwardedMs, bareMs].map((each) => quantile(each, 0.5)) as [number, number, number];
  const hop = forwarded - local;
  const allowed = Math.max(HOP_MS, HOP_RATIO * bare);
  return {
    figures: [
      atMost("a hop: p50 of a query that is forwarded, less that of one that is not", hop, "ms", allowed),
      plain("a hop: the same as a multiple of a bare NATS request", hop / bare, "ratio"),
      plain("a hop: p50 of a query that is served where it is asked", local, "ms"),
      plain("a hop: p50 of a query that is forwarded", forwarded, "ms"),
      plain("a hop: p50 of a bare NATS request", bare, "ms"),
      plain("a hop: p99 of a query that is served where it is asked", quantile(localMs, 0.99), "ms"),
      plain("a hop: p99 of a query that is forwarded", quantile(forwardedMs, 0.99), "ms"),
      atMost("a hop: queries without an answer", failures, "queries", 0),
    ],
    notes: [
      `A hop: two nodes and a collection in the memory of one, ${localMs.length} queries of each past the result cache in turns, one connection; beside them a bare request over the same two NATS servers, its answer of ${ANSWER_BYTES} bytes (Kennel's over HTTP: ${answerBytes}). A hop may cost ${HOP_MS} ms or ${HOP_RATIO} bare requests, whichever is more.`,
    ],
    details: { localMs: quantiles(localMs), forwardedMs: quantiles(forwardedMs), bareMs: quantiles(bareMs) },
  };
}

function quantiles(values: readonly number[]): Readonly<Record<string, number>> {
  return Object.fromEntries([0.05, 0.25, 0.5, 0.75, 0.95, 0.99].map((q) => [`p${q * 100}`, quantile(values, q)]));
}
