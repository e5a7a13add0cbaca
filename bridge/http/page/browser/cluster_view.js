/**
 * The other nodes of the cluster, as the node that was asked sees them, and where collections live.
 * @import { ClusterAnswer } from "../wire.ts"
 */
import { byId, element, fill, setText } from "./element.js";
import { formatCount, formatMany, formatMs, formatName, formatSpan } from "./format.js";

const MAX_COLLECTIONS = 50;

/** @param {ClusterAnswer | null} cluster null: the node is in no cluster */
export function showCluster(cluster) {
  const place = byId("cluster", HTMLElement);
  place.hidden = cluster === null;
  if (cluster === null) return;
  setText(byId("cluster-summary", HTMLElement), clusterSummary(cluster));
  fill(byId("cluster-nodes", HTMLElement), ...cluster.nodes.map((node) => nodeRow(node, cluster.leader)));
  fill(byId("cluster-places", HTMLElement), ...cluster.collections.slice(0, MAX_COLLECTIONS).map(placeRow));
}

/** @param {ClusterAnswer} cluster */
export function clusterSummary({ connection, is_name_taken: isNameTaken, nodes, leader, mode, pending_moves: moves }) {
  const alive = nodes.filter(({ state }) => state === "alive").length;
  return [
    `${formatCount(alive)} of ${formatMany(nodes.length, "node")} alive`,
    leader === null ? "nobody leads" : `${leader} leads`,
    ...(mode === "" || mode === "full" ? [] : [`mode ${formatName(mode)} at worst`]),
    ...(connection === "connected" ? [] : [`${connection}: this node goes on alone`]),
    ...(isNameTaken ? ["this node's name is taken by another: it serves alone"] : []),
    ...(moves > 0 ? [`${formatMany(moves, "move")} under way`] : []),
  ].join(" · ");
}

/**
 * @param {ClusterAnswer["nodes"][number]} node
 * @param {string | null} leader
 */
function nodeRow(
  { node, state, since_s: sinceS, heard_s: heardS, lag_ms: lagMs, in_flight: inFlight, queue, capacity, collections },
  leader,
) {
  const load = `${inFlight + queue} of ${capacity}`;
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, node, node === leader ? " (leader)" : ""),
    element("td", {}, `${state} for ${formatSpan(sinceS)}`),
    element("td", {}, `${heardS.toFixed(1)} s ago`),
    element("td", {}, formatMs(lagMs)),
    element("td", {}, load),
    element("td", {}, formatCount(collections)),
  );
}

/** @param {ClusterAnswer["collections"][number]} place */
function placeRow({ collection, nodes, owners }) {
  const moving = owners.filter((owner) => !nodes.includes(owner));
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, collection),
    element("td", {}, nodes.join(", ")),
    element("td", {}, moving.length === 0 ? "" : `to ${moving.join(", ")}`),
  );
}
