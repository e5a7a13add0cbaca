import type { z } from "zod";
import { type statusNodeSchema, statusSchema } from "../schema/status.ts";
import type { CommandContext } from "./context.ts";

export interface StatusOptions {
  readonly watch: boolean;
  readonly json: boolean;
}

type Status = z.output<typeof statusSchema>;
type StatusNode = z.output<typeof statusNodeSchema>;

const WATCH_MS = 1_000;

/** Prints the supervision tree once, or every second until it is interrupted. */
export async function status({ client, clock, terminal, signal }: CommandContext, options: StatusOptions): Promise<number> {
  const read = () => client.request("GET", "/v1/status", statusSchema, { signal });
  const show = (tree: Status) => (options.json ? JSON.stringify(tree) : drawStatus(tree));
  if (!options.watch) {
    terminal.out(show(await read()));
    return 0;
  }
  while (!signal.aborted) {
    const text = show(await read());
    if (options.json) terminal.out(text);
    else terminal.redraw(text);
    await clock.sleep(WATCH_MS, signal).catch(() => {}); // interrupted: the loop ends
  }
  return 0;
}

/** The tree in columns: what, its state, then what is worth a look. */
export function drawStatus(tree: Status): string {
  const rows = tree.children.flatMap((child, at) => drawNode(child, "", at === tree.children.length - 1, tree.node));
  const width = Math.max(...rows.map(([name]) => name.length), 0);
  const head = `${tree.node}  Kennel ${tree.version}  mode ${tree.mode}  up ${describeSeconds(tree.uptime_s)}`;
  const tail = tree.cluster === null ? [] : drawCluster(tree.cluster);
  return [
    head,
    ...describeOperators(tree),
    ...describeNats(tree.nats),
    ...rows.map(([name, rest]) => `${name.padEnd(width)}  ${rest}`),
    ...tail,
  ].join("\n");
}

/** What operators have said, where they have said something. */
function describeOperators({ forced_mode: forcedMode, flags }: Status): readonly string[] {
  return [
    ...(forcedMode === null ? [] : [`an operator forces the mode ${forcedMode}`]),
    ...flags
      .filter(({ enabled }) => !enabled)
      .map(({ flag, source, reason }) => `${flag} is switched off by the ${source}${reason === null ? "" : `: ${reason}`}`),
  ];
}

/** The connection's line, and one for each thing that an operator has to mend. */
function describeNats(nats: Status["nats"]): readonly string[] {
  if (nats === null) return [];
  const place = nats.server === null ? "" : ` to ${nats.server}`;
  return [
    `NATS ${nats.state}${place} since ${nats.since}${nats.cause === null ? "" : ` (${nats.cause})`}`,
    ...nats.denied.map((denied) => `NATS denies: ${denied}`),
    ...(nats.captured ?? []).map(({ subject, stream }) => `the stream ${stream} captures ${subject}: remove its subject`),
  ];
}

/** The nodes, then where each collection that is open lives. */
function drawCluster({
  connection,
  leader,
  mode,
  epoch,
  nodes,
  collections,
  pending_moves: moves,
  heartbeats,
}: NonNullable<Status["cluster"]>): readonly string[] {
  const head = `cluster  ${connection}  ${leader === null ? "nobody leads" : `${leader} leads since ${new Date(epoch).toISOString()}`}${mode === "" ? "" : `  mode ${mode} at worst`}`;
  const width = Math.max(...nodes.map(({ node }) => node.length), ...collections.map(({ collection }) => collection.length), 0);
  return [
    "",
    `${head}${(heartbeats?.groups ?? 0) > 0 ? `  heartbeats in ${heartbeats.groups} groups` : ""}${moves > 0 ? `  ${moves} moves under way` : ""}`,
    ...nodes.map((node) =>
      [
        `   ${node.node.padEnd(width)}  ${node.state.padEnd(9)}`,
        `for ${describeSeconds(node.since_s)}`,
        `lag ${node.lag_ms} ms`,
        `${node.in_flight + node.queue} of ${node.capacity} at work`,
        `${node.collections} collections`,
        node.url,
      ].join("  "),
    ),
    ...collections.map(({ collection, nodes: on, owners }) => {
      const moving = owners.filter((owner) => !on.includes(owner));
      return `   ${collection.padEnd(width)}  on ${on.join(", ")}${moving.length === 0 ? "" : `, to ${moving.join(", ")}`}`;
    }),
  ];
}

type Row = readonly [name: string, rest: string];

function drawNode(node: StatusNode, indent: string, isLast: boolean, parent: string): readonly Row[] {
  const name = node.path.startsWith(`${parent}/`) ? node.path.slice(parent.length + 1) : node.path;
  const below = `${indent}${isLast ? "   " : "│  "}`;
  return [
    [`${indent}${isLast ? "└─ " : "├─ "}${name}`, describeNode(node)],
    ...node.children.flatMap((child, at) => drawNode(child, below, at === node.children.length - 1, node.path)),
  ];
}

function describeNode(node: StatusNode): string {
  const { mailbox, restarts, latency_ms: latency } = node;
  return [
    node.state.padEnd(9),
    mailbox.depth > 0 ? `mailbox ${mailbox.depth}/${mailbox.capacity}` : "",
    node.in_flight > 0 ? `${node.in_flight} in flight` : "",
    latency.p50 > 0 ? `p50 ${latency.p50.toFixed(1)} ms  p99 ${latency.p99.toFixed(1)} ms` : "",
    restarts.count > 0 ? `${restarts.count} of ${restarts.max} restarts in ${restarts.window_s} s` : "",
    node.breaker === "closed" ? "" : `breaker ${node.breaker}${node.next_probe_at === null ? "" : `, next probe ${node.next_probe_at}`}`,
    node.last_error === null ? "" : `last error: ${node.last_error}`,
  ]
    .filter((part) => part !== "")
    .join("  ")
    .trimEnd();
}

function describeSeconds(total: number): string {
  const hours = Math.floor(total / 3_600);
  const minutes = Math.floor((total % 3_600) / 60);
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${Math.floor(total % 60)} s` : `${total.toFixed(0)} s`;
}
