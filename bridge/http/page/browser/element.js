/**
 * Builds DOM without markup: every string becomes a text node or an attribute value, so what a server or a document says
 * is never read as HTML.
 */

/** @typedef {Node | string | null} Child */
/** @typedef {Record<string, string | number | boolean | null | undefined>} Attributes true: present and empty; null, undefined and false: left out */

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes} [attributes]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) setAttribute(node, name, value);
  node.append(...present(children));
  return node;
}

/**
 * @param {Element} node
 * @param {string} name
 * @param {string | number | boolean | null | undefined} value
 */
export function setAttribute(node, name, value) {
  if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else {
    const text = value === true ? "" : String(value);
    if (node.getAttribute(name) !== text) node.setAttribute(name, text);
  }
}

/**
 * Writes a text only when it changed, so that a live view does not disturb selections and screen readers.
 * @param {Element} node
 * @param {string} text
 */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * @param {Element} parent
 * @param {...Child} children
 */
export function fill(parent, ...children) {
  parent.replaceChildren(...present(children));
}

/**
 * @param {Child[]} children
 * @returns {(Node | string)[]}
 */
function present(children) {
  return /** @type {(Node | string)[]} */ (children.filter((child) => child !== null));
}

const SVG = "http://www.w3.org/2000/svg";

/**
 * A symbol of the sprite in index.html; decoration, so hidden from screen readers.
 * @param {string} name
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/**
 * A bar whose length says a share, without a style attribute (the content security policy forbids those).
 * @param {number} share 0..1; what lies outside is cut
 * @param {string} className
 */
export function bar(share, className) {
  const fillNode = element("span", { class: "bar-fill" });
  setShare(fillNode, share);
  return element("span", { class: `bar ${className}`, "aria-hidden": "true" }, fillNode);
}

/**
 * @param {HTMLElement} fillNode
 * @param {number} share
 */
export function setShare(fillNode, share) {
  const percent = Math.round(1000 * Math.min(1, Math.max(0, Number.isFinite(share) ? share : 0))) / 10;
  fillNode.style.setProperty("width", `${percent}%`);
}

/**
 * The element of index.html with this id.
 * @template {HTMLElement} Kind
 * @param {string} id
 * @param {new () => Kind} kind
 * @returns {Kind}
 */
export function byId(id, kind) {
  const node = document.getElementById(id);
  if (node instanceof kind) return node;
  throw new TypeError(`Expected a ${kind.name} with the id "${id}" in index.html`);
}
