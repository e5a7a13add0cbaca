export interface Series {
  readonly name: string;
  readonly values: readonly number[];
}

const WIDTH = 720;
const HEIGHT = 320;
const MARGIN = { top: 40, right: 16, bottom: 48, left: 64 };
const COLORS = ["#2563eb", "#9ca3af", "#059669", "#d97706", "#dc2626", "#7c3aed"] as const;

/** Bars in groups, one group a label, one bar a series; the value stands on its bar. */
export function barPlot(title: string, unit: string, labels: readonly string[], series: readonly Series[]): string {
  const scale = axis(Math.max(...series.flatMap(({ values }) => values)));
  const groupWidth = (WIDTH - MARGIN.left - MARGIN.right) / labels.length;
  const barWidth = (groupWidth * 0.8) / series.length;
  const bars = series.flatMap(({ values }, bar) =>
    values.map((value, group) => {
      const x = MARGIN.left + groupWidth * (group + 0.1) + barWidth * bar;
      const y = scale.y(value);
      const label = `<text x="${round(x + barWidth / 2)}" y="${round(y - 4)}" text-anchor="middle">${format(value)}</text>`;
      return `<rect x="${round(x)}" y="${round(y)}" width="${round(barWidth - 2)}" height="${round(scale.bottom - y)}" fill="${color(bar)}"/>${label}`;
    }),
  );
  const names = labels.map((label, group) => centred(MARGIN.left + groupWidth * (group + 0.5), HEIGHT - 28, label));
  return frame(title, unit, scale, [...bars, ...names, legend(series)]);
}

/** Where something began, as a place on the steps of a line plot. */
export interface Mark {
  readonly at: number;
  readonly label: string;
}

/** A line a series over equal steps. */
export function linePlot(title: string, unit: string, series: readonly Series[], marks: readonly Mark[] = []): string {
  const scale = axis(Math.max(...series.flatMap(({ values }) => values)));
  const lines = series.map(({ values }, line) => {
    const step = (WIDTH - MARGIN.left - MARGIN.right) / Math.max(1, values.length - 1);
    const points = values.map((value, place) => `${round(MARGIN.left + step * place)},${round(scale.y(value))}`);
    return `<polyline fill="none" stroke="${color(line)}" stroke-width="2" points="${points.join(" ")}"/>`;
  });
  const steps = Math.max(1, ...series.map(({ values }) => values.length - 1));
  const begun = marks.map(({ at, label }) => {
    const x = round(MARGIN.left + ((WIDTH - MARGIN.left - MARGIN.right) / steps) * at);
    const line = `<line x1="${x}" x2="${x}" y1="${MARGIN.top}" y2="${scale.bottom}" stroke="#9ca3af" stroke-dasharray="3 3"/>`;
    return `${line}<text x="${x + 3}" y="${MARGIN.top - 4}">${escapeXml(label)}</text>`;
  });
  return frame(title, unit, scale, [...begun, ...lines, legend(series)]);
}

interface Axis {
  readonly top: number;
  readonly bottom: number;
  y(value: number): number;
}

function axis(greatest: number): Axis {
  const bottom = HEIGHT - MARGIN.bottom;
  const top = greatest > 0 ? greatest * 1.1 : 1;
  return { top, bottom, y: (value) => bottom - (value / top) * (bottom - MARGIN.top) };
}

function frame(title: string, unit: string, scale: Axis, marks: readonly string[]): string {
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((part) => {
    const y = round(scale.y(scale.top * part));
    const line = `<line x1="${MARGIN.left}" x2="${WIDTH - MARGIN.right}" y1="${y}" y2="${y}" stroke="#d1d5db"/>`;
    return `${line}<text x="${MARGIN.left - 6}" y="${y + 4}" text-anchor="end">${format(scale.top * part)}</text>`;
  });
  const head = `<text x="${MARGIN.left}" y="20" font-size="14" font-weight="bold">${escapeXml(title)}, ${escapeXml(unit)}</text>`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="11" fill="#374151">`,
    `<title>${escapeXml(title)}, ${escapeXml(unit)}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    head,
    ...ticks,
    ...marks,
    "</svg>\n",
  ].join("\n");
}

function legend(series: readonly Series[]): string {
  const width = (WIDTH - MARGIN.left - MARGIN.right) / series.length;
  const y = HEIGHT - 10;
  return series
    .map(({ name }, place) => {
      const x = round(MARGIN.left + width * place);
      return `<rect x="${x}" y="${y - 9}" width="10" height="10" fill="${color(place)}"/><text x="${x + 14}" y="${y}">${escapeXml(name)}</text>`;
    })
    .join("");
}

function centred(x: number, y: number, text: string): string {
  return `<text x="${round(x)}" y="${y}" text-anchor="middle">${escapeXml(text)}</text>`;
}

function color(place: number): string {
  return COLORS[place % COLORS.length] ?? "#000000";
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

export function format(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  return value.toLocaleString("en", { maximumFractionDigits: size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : size >= 0.1 ? 3 : 4 });
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
