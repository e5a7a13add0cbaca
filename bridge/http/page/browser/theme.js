/**
 * Light or dark: the system's choice until the reader makes another. early_theme.js applies a stored choice before the
 * first paint; the names are the same there.
 * @import { Memory } from "./memory.js"
 */

/** @typedef {"light" | "dark"} Theme */

const STORED_AS = "kennel-theme";

/**
 * @param {HTMLButtonElement} button
 * @param {Memory} memory
 * @param {() => void} onChange after the colours have changed
 */
export function installTheme(button, memory, onChange) {
  const systemDark = matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  /** @returns {Theme} */
  const current = () => (root.dataset.theme === "dark" || (root.dataset.theme === undefined && systemDark.matches) ? "dark" : "light");
  const label = () => {
    const next = current() === "dark" ? "light" : "dark";
    button.setAttribute("aria-label", `Switch to the ${next} theme`);
    button.title = `Switch to the ${next} theme`;
  };
  button.addEventListener("click", () => {
    const next = current() === "dark" ? "light" : "dark";
    root.dataset.theme = next;
    memory.write(STORED_AS, next);
    label();
    onChange();
  });
  systemDark.addEventListener("change", () => {
    label();
    onChange();
  });
  label();
}
