/** The time that all panels share: so many equal steps from the first one on. */
export interface Frame {
  readonly fromS: number;
  readonly stepS: number;
  readonly steps: number;
}

/** In pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

const DISTANCES_S = [10, 15, 30, 60, 120, 300, 600, 1_800, 3_600];
/** A label of seconds with a gap. */
const LABEL_PX = 72;
const MEAN_CHARACTER_PX = 7;

/** About as wide as it is drawn, at 12 px. */
export function textWidth(words: string): number {
  return Math.ceil(words.length * MEAN_CHARACTER_PX);
}

export function text(x: number, y: number, words: string, anchor: "start" | "middle" | "end"): string {
  return `<text x="${Math.round(x)}" y="${Math.round(y)}" text-anchor="${anchor}">${escapeXml(words)}</text>`;
}

/** Round times, in UTC, with room for their labels at both ends. */
export function clockTicks({ fromS, stepS, steps }: Frame, widthPx: number): readonly { readonly step: number; readonly label: string }[] {
  const lengthS = stepS * (steps - 1);
  const distanceS = DISTANCES_S.find((each) => (widthPx * each) / lengthS >= LABEL_PX) ?? lengthS;
  const ticks: { step: number; label: string }[] = [];
  for (let atS = Math.ceil(fromS / distanceS) * distanceS; atS <= fromS + lengthS; atS += distanceS) {
    const step = (atS - fromS) / stepS;
    const px = (widthPx * step) / (steps - 1);
    const isInside = px > LABEL_PX / 2 && px < widthPx - LABEL_PX / 2;
    if (isInside) ticks.push({ step, label: new Date(atS * 1_000).toISOString().slice(11, distanceS < 60 ? 19 : 16) });
  }
  return ticks;
}

export function escapeXml(words: string): string {
  return words.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
