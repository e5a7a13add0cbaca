/**
 * The views of the page: which one is shown follows the address, so that links and the back button work.
 * @import { View } from "./address.js"
 */
import { readView, VIEWS } from "./address.js";
import { byId, setAttribute } from "./element.js";

/**
 * @param {object} options
 * @param {() => void} options.onQuestionKey `/` was pressed outside a field
 * @param {(view: View) => void} options.onView
 */
export function installViews({ onQuestionKey, onView }) {
  const views = VIEWS.map((name) => ({ name, section: byId(`view-${name}`, HTMLElement), link: byId(`link-${name}`, HTMLAnchorElement) }));
  const main = byId("main", HTMLElement);

  /** @returns {View} */
  function show() {
    const shown = readView(location.hash);
    for (const { name, section, link } of views) {
      section.hidden = name !== shown;
      setAttribute(link, "aria-current", name === shown ? "page" : null);
    }
    onView(shown);
    return shown;
  }

  for (const { link } of views) {
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      if (location.hash !== link.hash) history.pushState(null, "", `${location.pathname}${location.search}${link.hash}`);
      byId(`view-${show()}`, HTMLElement).querySelector("h2")?.focus({ preventScroll: true });
      scrollTo({ top: 0 });
    });
  }
  byId("skip", HTMLAnchorElement).addEventListener("click", (event) => {
    event.preventDefault();
    main.focus();
  });
  addEventListener("popstate", show);
  addEventListener("hashchange", show);
  addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    event.preventDefault();
    byId("link-ask", HTMLAnchorElement).click();
    onQuestionKey();
  });
  show();
}

/** @param {EventTarget | null} target */
function isTyping(target) {
  return target instanceof Element && target.closest("input, textarea, select") !== null;
}
