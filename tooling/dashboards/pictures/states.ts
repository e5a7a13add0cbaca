import type { GrafanaChart } from "../grafana_json.ts";
import { thresholdColor, wordFor } from "./colors.ts";
import { clockTicks, escapeXml, type Frame, type Size, text, textWidth } from "./drawing.ts";
import type { Samples } from "./samples.ts";
import { inUnit } from "./units.ts";

/** Share of a series' height that its bar takes, as `rowHeight` says. */
const BAR_SHARE = 0.8;

/** A state timeline: a bar a series, in pieces of equal value, with the value's word where it fits. */
export function drawStates(panel: GrafanaChart, series: readonly Samples[], frame: Frame, size: Size): string {
  const left = Math.max(...series.map(({ legend }) => textWidth(legend))) + 12;
  const right = size.width - 8;
  const bottom = size.height - 20;
  const each = bottom / series.length;
  const x = (step: number) => left + ((right - left) * step) / frame.steps;
  const clock = clockTicks(frame, right - left).map(({ step, label }) => text(x(step), size.height - 5, label, "middle"));
  const bars = series.map(({ legend, values }, place) => {
    const y = each * place + (each * (1 - BAR_SHARE)) / 2;
    const height = each * BAR_SHARE;
    const pieces = piecesOf(values).map(({ from, to, value }) => {
      const word = wordFor(panel, value);
      const said = word?.text ?? inUnit(value, panel.fieldConfig.defaults.unit);
      const width = x(to) - x(from);
      const fits = textWidth(said) + 8 < width && height >= 12;
      const bar = `<rect x="${x(from).toFixed(1)}" y="${y.toFixed(1)}" width="${width.toFixed(1)}" height="${height.toFixed(1)}" fill="${word?.color ?? thresholdColor(panel, value)}" fill-opacity="0.75"/>`;
      return fits ? bar + text(x(from) + 5, y + height / 2 + 4, said, "start") : bar;
    });
    const name = text(left - 8, y + height / 2 + 4, legend, "end");
    return `<g class="series" data-legend="${escapeXml(legend)}">${name}${pieces.join("")}</g>`;
  });
  return [...bars, ...clock].join("");
}

interface Piece {
  readonly from: number;
  /** The step after the last one. */
  to: number;
  readonly value: number;
}

function piecesOf(values: readonly (number | null)[]): readonly Piece[] {
  const pieces: Piece[] = [];
  values.forEach((value, step) => {
    const last = pieces.at(-1);
    if (value === null) return;
    if (last?.to === step && last.value === value) last.to = step + 1;
    else pieces.push({ from: step, to: step + 1, value });
  });
  return pieces;
}
