/**
 * The supervision tree, live: one row an actor, moved through with the arrow keys, its whole story beside it.
 * @import { StatusNode } from "../wire.ts"
 * @import { Row } from "./tree_rows.js"
 */
import { element, icon, setAttribute, setShare, setText } from "./element.js";
import { formatCount, formatMany, formatMs, formatName } from "./format.js";
import { treeMove, treeRows } from "./tree_rows.js";

/** @type {Record<StatusNode["state"], string>} */
export const STATE_MEANINGS = {
  starting: "Opening what it needs; work waits in its mailbox",
  ready: "Takes work",
  suspended: "Its breaker is open: callers are told at once, and it is tried again by itself",
  probing: "Its breaker is half open: it must pass its health probe before it takes work",
  draining: "Finishes what it has and takes nothing new",
  stopped: "Has ended",
};

/**
 * @typedef {object} RowView
 * @property {HTMLElement} item
 * @property {(row: Row) => void} update
 */

/**
 * @param {object} options
 * @param {HTMLElement} options.place an empty element that becomes the tree
 * @param {HTMLElement} options.overflow says how many rows are not drawn
 * @param {(path: string) => void} options.onSelect
 * @returns {{ update(children: readonly StatusNode[]): void }}
 */
export function createTree({ place, overflow, onSelect }) {
  /** @type {Map<string, RowView>} */
  const views = new Map();
  /** @type {Set<string>} */
  const closed = new Set();
  /** @type {readonly StatusNode[]} */
  let children = [];
  /** @type {Row[]} */
  let rows = [];
  /** @type {string | null} */
  let selected = null;

  function draw() {
    const drawn = treeRows(children, closed);
    rows = drawn.rows;
    const paths = new Set(rows.map((row) => row.node.path));
    for (const [path, view] of views) {
      if (paths.has(path)) continue;
      view.item.remove();
      views.delete(path);
    }
    if (selected === null || !paths.has(selected)) select(rows[0]?.node.path ?? null);
    for (const [index, row] of rows.entries()) {
      const view = views.get(row.node.path) ?? addView(row);
      view.update(row);
      setAttribute(view.item, "aria-selected", row.node.path === selected ? "true" : "false");
      setAttribute(view.item, "tabindex", row.node.path === selected ? 0 : -1);
      if (place.children[index] !== view.item) place.insertBefore(view.item, place.children[index] ?? null);
    }
    overflow.hidden = drawn.hidden === 0;
    setText(overflow, `${formatMany(drawn.hidden, "more actor")} not drawn`);
  }

  /** @param {Row} row */
  function addView(row) {
    const view = createRow(row);
    views.set(row.node.path, view);
    return view;
  }

  /** @param {string | null} path */
  function select(path) {
    selected = path;
    if (path !== null) onSelect(path);
  }

  /** @param {string} path */
  function toggle(path) {
    if (!closed.delete(path)) closed.add(path);
    draw();
  }

  place.addEventListener("click", (event) => {
    if (!(event.target instanceof Element)) return;
    const path = event.target.closest("[role=treeitem]")?.getAttribute("data-path");
    if (path === null || path === undefined) return;
    if (event.target.closest(".twist") !== null) toggle(path);
    select(path);
    draw();
  });

  place.addEventListener("keydown", (event) => {
    if (selected === null || event.ctrlKey || event.metaKey || event.altKey) return;
    const move = treeMove(rows, selected, event.key);
    if (move === null) return;
    event.preventDefault();
    if (move.kind === "focus") select(move.path);
    else toggle(move.path);
    draw();
    if (selected !== null) views.get(selected)?.item.focus();
  });

  return {
    update(next) {
      children = next;
      draw();
    },
  };
}

/**
 * @param {Row} first
 * @returns {RowView}
 */
function createRow(first) {
  const twist = element("span", { class: "twist", "aria-hidden": "true" });
  const title = element("span", { class: "actor-name" }, first.name);
  const kind = element("span", { class: "actor-kind" });
  const state = stateBadge(first.node.state);
  const restarts = element("span", { class: "cell restarts" });
  const waiting = element("span", {});
  const fillNode = element("span", { class: "bar-fill" });
  const mailboxBar = element("span", { class: "bar mailbox-bar", "aria-hidden": "true" }, fillNode);
  const mailbox = element("span", { class: "cell mailbox" }, waiting, mailboxBar);
  const inFlight = element("span", { class: "cell in-flight" });
  const latency = element("span", { class: "cell latency" });
  const item = element(
    "div",
    { role: "treeitem", class: `row level-${Math.min(first.level, 6)}`, "data-path": first.node.path },
    element("span", { class: "actor" }, twist, title, kind),
    state.badge,
    restarts,
    mailbox,
    inFlight,
    latency,
  );
  return {
    item,
    update({ node, name, level, position, siblings, isOpen }) {
      setAttribute(item, "aria-level", level);
      setAttribute(item, "aria-posinset", position);
      setAttribute(item, "aria-setsize", siblings);
      setAttribute(item, "aria-expanded", isOpen === null ? null : String(isOpen));
      setText(kind, node.kind === name ? "" : formatName(node.kind));
      state.update(node.state);
      setText(restarts, node.restarts.count === 0 ? "" : formatMany(node.restarts.count, "restart"));
      // A supervisor takes no work: it has no mailbox to show.
      const { depth, capacity } = node.mailbox;
      setText(waiting, capacity === 0 ? "" : `${formatCount(depth)} waiting`);
      mailboxBar.hidden = capacity === 0;
      setShare(fillNode, capacity === 0 ? 0 : depth / capacity);
      setText(inFlight, capacity === 0 ? "" : `${formatCount(node.in_flight)} in flight`);
      setText(latency, node.latency_ms.p99 > 0 ? `p99 ${formatMs(node.latency_ms.p99)}` : "");
    },
  };
}

/**
 * A state as colour, shape and word together, since none of them reaches everyone.
 * @param {StatusNode["state"]} first
 */
export function stateBadge(first) {
  const badge = element("span", { class: "state" });
  /** @type {string | null} */
  let shown = null;
  /** @param {StatusNode["state"]} state */
  function update(state) {
    if (state === shown) return;
    shown = state;
    badge.className = `state state-${state}`;
    badge.title = STATE_MEANINGS[state] ?? "";
    badge.replaceChildren(icon(state), formatName(state));
  }
  update(first);
  return { badge, update };
}
