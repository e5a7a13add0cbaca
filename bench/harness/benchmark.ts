import type { KennelServer } from "./kennel_server.ts";

/** One line of a report: what was measured, and the bound that it is held against. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  /** `ratio`, `ms`, `req/s`, `MB`, `bytes`, … */
  readonly unit: string;
  /** What the figure must reach; null: it is there to be read. */
  readonly bound: { readonly kind: "at_most" | "at_least"; readonly value: number } | null;
}

export interface BenchContext {
  /** Small sizes and few rounds, so that CI can run everything within a few minutes; its figures prove nothing. */
  readonly isQuick: boolean;
  /** Longest time of the soak. */
  readonly soakSeconds: number;
  /** Requests after which the soak ends. */
  readonly soakRequests: number;
  /** An empty folder for this benchmark alone; removed after it. */
  readonly workFolder: string;
  readonly signal: AbortSignal;
  /** Replaces the progress line. */
  progress(text: string): void;
  /** Starts Kennel as its users do, on a data folder in `workFolder`; stopped at the end of the benchmark if it still runs. */
  startKennel(options?: { readonly folder?: string; readonly environment?: Readonly<Record<string, string>> }): Promise<KennelServer>;
}

export interface Report {
  readonly figures: readonly Figure[];
  /** Everything measured, for the JSON. */
  readonly details: unknown;
  /** What a reader must know to judge the figures: how the data was made, what a round is. */
  readonly notes?: readonly string[];
  /** SVG pictures by file name without extension. */
  readonly plots?: Readonly<Record<string, string>>;
}

export interface Benchmark {
  readonly name: string;
  readonly title: string;
  run(context: BenchContext): Promise<Report>;
}

export function atMost(name: string, value: number, unit: string, bound: number): Figure {
  return { name, value, unit, bound: { kind: "at_most", value: bound } };
}

export function atLeast(name: string, value: number, unit: string, bound: number): Figure {
  return { name, value, unit, bound: { kind: "at_least", value: bound } };
}

export function plain(name: string, value: number, unit: string): Figure {
  return { name, value, unit, bound: null };
}

export function holds({ value, bound }: Figure): boolean {
  if (bound === null) return true;
  return bound.kind === "at_most" ? value <= bound.value : value >= bound.value;
}
