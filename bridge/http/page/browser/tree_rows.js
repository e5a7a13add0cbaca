/**
 * The supervision tree as a flat list of rows, which is how it is drawn: each row knows its level and its place among its
 * siblings (ARIA allows a tree to be written so), and a closed node hides what is below it.
 * @import { StatusNode } from "../wire.ts"
 */

/**
 * @typedef {object} Row
 * @property {StatusNode} node
 * @property {string} name the last part of the path
 * @property {number} level from 1
 * @property {number} position among its siblings, from 1
 * @property {number} siblings how many there are, itself included
 * @property {string | null} parent its parent's path
 * @property {boolean | null} isOpen null: it has no children
 */

/** Rows drawn at most; a node can hold thousands of retrievers. */
export const MAX_ROWS = 400;

/**
 * @param {readonly StatusNode[]} children
 * @param {ReadonlySet<string>} closed paths of closed nodes
 * @returns {{ rows: Row[], hidden: number }} `hidden`: rows beyond the bound
 */
export function treeRows(children, closed) {
  /** @type {Row[]} */
  const rows = [];
  let hidden = 0;
  /**
   * @param {readonly StatusNode[]} nodes
   * @param {number} level
   * @param {string | null} parent
   */
  const visit = (nodes, level, parent) => {
    for (const [index, node] of nodes.entries()) {
      const isOpen = node.children.length === 0 ? null : !closed.has(node.path);
      const row = { node, name: lastPart(node.path), level, position: index + 1, siblings: nodes.length, parent, isOpen };
      if (rows.length < MAX_ROWS) rows.push(row);
      else hidden++;
      if (isOpen === true) visit(node.children, level + 1, node.path);
    }
  };
  visit(children, 1, null);
  return { rows, hidden };
}

/** @param {string} path */
function lastPart(path) {
  return path.slice(path.lastIndexOf("/") + 1) || path;
}

/**
 * Where a key leads in the tree, by the ARIA pattern for trees.
 * @typedef {{ kind: "focus", path: string } | { kind: "open" | "close", path: string }} Move
 * @param {readonly Row[]} rows
 * @param {string} path the focused row
 * @param {string} key `KeyboardEvent.key`
 * @returns {Move | null} null: the key means nothing here
 */
export function treeMove(rows, path, key) {
  const index = rows.findIndex((row) => row.node.path === path);
  const row = rows[index];
  if (row === undefined) return null;
  switch (key) {
    case "ArrowDown":
      return focusOn(rows[index + 1]);
    case "ArrowUp":
      return focusOn(rows[index - 1]);
    case "Home":
      return focusOn(rows[0]);
    case "End":
      return focusOn(rows.at(-1));
    case "ArrowRight":
      if (row.isOpen === false) return { kind: "open", path };
      return row.isOpen === true ? focusOn(rows[index + 1]) : null;
    case "ArrowLeft":
      if (row.isOpen === true) return { kind: "close", path };
      return row.parent === null ? null : { kind: "focus", path: row.parent };
    default:
      return null;
  }
}

/**
 * @param {Row | undefined} row
 * @returns {Move | null}
 */
function focusOn(row) {
  return row === undefined ? null : { kind: "focus", path: row.node.path };
}

/**
 * Every node of the tree, parents first.
 * @param {readonly StatusNode[]} children
 * @returns {StatusNode[]}
 */
export function allNodes(children) {
  return children.flatMap((node) => [node, ...allNodes(node.children)]);
}

/**
 * @param {readonly StatusNode[]} children
 * @returns {{ actors: number, ready: number, troubled: StatusNode[], restarts: number }}
 *   `troubled`: suspended, probing or stopped; `restarts`: within their windows
 */
export function treeSummary(children) {
  const nodes = allNodes(children);
  return {
    actors: nodes.length,
    ready: nodes.filter((node) => node.state === "ready").length,
    troubled: nodes.filter((node) => node.state === "suspended" || node.state === "probing" || node.state === "stopped"),
    restarts: nodes.reduce((sum, node) => sum + node.restarts.count, 0),
  };
}
