import type { GrafanaChart } from "../grafana_json.ts";

/** Grafana's own, for its light theme. */
const NAMED: Readonly<Record<string, string>> = {
  green: "#73bf69",
  yellow: "#fade2a",
  orange: "#ff9830",
  "dark-orange": "#fa6400",
  red: "#f2495c",
  blue: "#5794f2",
  purple: "#b877d9",
  text: "#24292e",
};
/** Its classic palette, which series take in their order. */
const PALETTE = ["#7eb26d", "#eab839", "#6ed0e0", "#ef843c", "#e24d42", "#1f78c1", "#ba43a9", "#705da0", "#508642", "#cca300"];

export function named(color: string): string {
  return NAMED[color] ?? color;
}

export function colorOf(panel: GrafanaChart, legend: string, place: number): string {
  const fixed = property(panel, legend, "color") as { readonly fixedColor: string } | undefined;
  return fixed === undefined ? (PALETTE[place % PALETTE.length] as string) : named(fixed.fixedColor);
}

export function isDashed(panel: GrafanaChart, legend: string): boolean {
  return property(panel, legend, "custom.lineStyle") !== undefined;
}

/** What the panel's thresholds make of a value. */
export function thresholdColor({ fieldConfig }: GrafanaChart, value: number): string {
  const { steps } = fieldConfig.defaults.thresholds;
  return named(steps.findLast((step) => step.value === null || value >= step.value)?.color ?? "text");
}

/** The word that the panel has for a value. */
export function wordFor({ fieldConfig }: GrafanaChart, value: number): { readonly text: string; readonly color: string } | null {
  const word = fieldConfig.defaults.mappings[0]?.options[String(value)];
  return word === undefined ? null : { text: word.text, color: named(word.color) };
}

function property(panel: GrafanaChart, legend: string, id: string): unknown {
  const matching = panel.fieldConfig.overrides.filter(({ matcher }) => new RegExp(matcher.options.slice(1, -1)).test(legend));
  return matching.flatMap(({ properties }) => properties).findLast((each) => each.id === id)?.value;
}
