/**
 * The API key of a server that asks for one. The page keeps it in this tab only and sends it to
 * this server only.
 */
import { element, fill } from "./element.js";

/**
 * @param {HTMLElement} place
 * @param {(key: string) => void} onKey
 */
export function askForKey(place, onKey) {
  if (place.childElementCount > 0) return;
  const input = element("input", { id: "key", type: "password", autocomplete: "off", required: true, spellcheck: "false" });
  const form = element(
    "form",
    { class: "key-form" },
    element("label", { for: "key" }, "This server asks for a key. It stays in this tab."),
    element("div", { class: "key-row" }, input, element("button", { type: "submit", class: "primary" }, "Use this key")),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    fill(place);
    onKey(input.value.trim());
  });
  fill(place, form);
}
