import type { Page } from "playwright-core";

export interface PanelsOnPage {
  /** Titles, in the page's order. */
  readonly shown: readonly string[];
  /** Of these, panels without a line, a bar or a number. */
  readonly empty: readonly string[];
  /** What lies on something else, reaches out of its panel or is cut off; one sentence each. */
  readonly faults: readonly string[];
}

/** What a browser has made of a dashboard's page. */
export function lookAtPanels(page: Page): Promise<PanelsOnPage> {
  // Runs in the page: it can use nothing of this file.
  return page.evaluate(() => {
    const ROUNDING_PX = 1;
    const faults: string[] = [];
    const overlap = (one: DOMRect, other: DOMRect) =>
      Math.min(one.right, other.right) - Math.max(one.left, other.left) > ROUNDING_PX &&
      Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top) > ROUNDING_PX;
    const isInside = (inner: DOMRect, outer: DOMRect) =>
      inner.left >= outer.left - ROUNDING_PX &&
      inner.right <= outer.right + ROUNDING_PX &&
      inner.top >= outer.top - ROUNDING_PX &&
      inner.bottom <= outer.bottom + ROUNDING_PX;
    const apart = (where: string, elements: readonly Element[]) => {
      const placed = elements.map((element) => ({ name: element.textContent?.slice(0, 40), rect: element.getBoundingClientRect() }));
      placed.forEach((one, place) => {
        for (const other of placed.slice(place + 1))
          if (overlap(one.rect, other.rect)) faults.push(`${where}: "${one.name}" and "${other.name}" lie on each other`);
      });
    };
    const panels = [...document.querySelectorAll("section")];
    const titleOf = (panel: Element) => panel.querySelector("h3")?.textContent ?? "";
    apart("page", [...document.querySelectorAll("h1, h2, section")]);
    for (const panel of panels) {
      const outer = panel.getBoundingClientRect();
      const texts = [...panel.querySelectorAll("text")];
      apart(titleOf(panel), [...panel.children]);
      apart(titleOf(panel), texts);
      apart(titleOf(panel), [...panel.querySelectorAll(".legend span, .name, .number")]);
      for (const element of [...panel.querySelectorAll("h3, svg, text, .number, .legend span")])
        if (!isInside(element.getBoundingClientRect(), outer))
          faults.push(`${titleOf(panel)}: "${element.textContent?.slice(0, 40)}" reaches out of its panel`);
      // Of a table Grafana scrolls what has no room.
      for (const element of [...panel.querySelectorAll("h3, .legend:not(:has(table)), .none")])
        if (element.scrollHeight > element.clientHeight || element.scrollWidth > element.clientWidth)
          faults.push(`${titleOf(panel)}: "${element.textContent?.slice(0, 40)}" is cut off`);
    }
    const hasMark = (panel: Element) => panel.querySelector(".series :is(polyline, circle, rect), .series .number") !== null;
    return { shown: panels.map(titleOf), empty: panels.filter((panel) => !hasMark(panel)).map(titleOf), faults };
  });
}
