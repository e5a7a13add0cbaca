/** Values in words, as Grafana writes those of its units. */
const DECIMAL = ["", " K", " Mil", " Bil"];
const BINARY = [" B", " KiB", " MiB", " GiB", " TiB"];
const TIMES = [
  [86_400, " days"],
  [3_600, " hours"],
  [60, " mins"],
  [1, " s"],
  [1e-3, " ms"],
  [1e-6, " µs"],
] as const;

export function inUnit(value: number, unit: string): string {
  switch (unit) {
    case "s":
      return time(value);
    case "bytes":
      return scaled(value, 1_024, BINARY);
    case "percentunit":
      return `${rounded(value * 100)}%`;
    case "currencyUSD":
      return `$${scaled(value, 1_000, DECIMAL)}`;
    case "reqps":
      return `${scaled(value, 1_000, DECIMAL)} req/s`;
    case "cps":
      return `${scaled(value, 1_000, DECIMAL)} c/s`;
    case "none":
      return rounded(value);
    case "short":
      return scaled(value, 1_000, DECIMAL);
    default:
      throw new RangeError(`Cannot write values in "${unit}": the pictures do not know this unit`);
  }
}

function time(seconds: number): string {
  if (seconds === 0) return "0 s";
  const [size, name] = TIMES.find(([least]) => Math.abs(seconds) >= least) ?? [1e-6, " µs"];
  return rounded(seconds / size) + name;
}

function scaled(value: number, step: number, names: readonly string[]): string {
  const size = value === 0 ? 0 : Math.max(0, Math.floor(Math.log(Math.abs(value)) / Math.log(step) + 1e-9));
  const power = Math.min(size, names.length - 1);
  return rounded(value / step ** power) + names[power];
}

/** To three digits. */
function rounded(value: number): string {
  return String(Number(value.toPrecision(3)));
}

/** Round values from 0 on, some five of them, the last one not below `greatest`. */
export function ticksUpTo(greatest: number, unit: string): readonly number[] {
  if (!(greatest > 0)) return [0, 1];
  const rough = greatest / 4;
  const base = unit === "bytes" ? 2 : 10;
  const size = base ** Math.floor(Math.log(rough) / Math.log(base) + 1e-9);
  const factor = (base === 2 ? [1, 2] : [1, 2, 2.5, 5, 10]).find((each) => each * size >= rough) ?? 10;
  const step = unit === "short" ? Math.max(1, factor * size) : factor * size;
  return Array.from({ length: Math.ceil(greatest / step - 1e-9) + 1 }, (_, place) => place * step);
}
