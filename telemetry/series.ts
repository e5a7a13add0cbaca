/**
 * Counters and histograms for hot paths. prom-client checks and hashes the labels of each observation, which costs more
 * than the rest of a short request; here a series is found by its label values one after another, or held by who counts.
 * Names, text format and scraping stay prom-client's.
 */

import { Counter, Histogram, type MetricObjectWithValues, type MetricValueWithName, type Registry } from "prom-client";
import type { Exemplar } from "./open_metrics.ts";

export interface SeriesOptions {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
  readonly registry: Registry;
}

type Level<Series> = Map<string, Level<Series> | Series>;

/** Series by their label values, in the order of the label names. */
class SeriesTable<Series> {
  readonly #make: (labels: Record<string, string>) => Series;
  readonly #labelNames: readonly string[];
  readonly #root: Level<Series> = new Map();
  readonly #all = new Set<Series>();
  /** What was counted last is counted again as a rule. */
  #last: { readonly values: readonly string[]; readonly series: Series } | null = null;

  constructor(labelNames: readonly string[], make: (labels: Record<string, string>) => Series) {
    this.#labelNames = labelNames;
    this.#make = make;
  }

  get all(): Iterable<Series> {
    return this.#all;
  }

  at(values: readonly string[]): Series {
    const last = this.#last;
    if (last !== null && isSame(last.values, values)) return last.series;
    const series = this.#find(values);
    this.#last = { values, series };
    return series;
  }

  #find(values: readonly string[]): Series {
    let level = this.#root;
    const last = values.length - 1;
    for (let depth = 0; depth < last; depth++) {
      const value = values[depth] as string;
      let next = level.get(value) as Level<Series> | undefined;
      if (next === undefined) {
        next = new Map();
        level.set(value, next);
      }
      level = next;
    }
    const known = level.get(values[last] as string) as Series | undefined;
    if (known !== undefined) return known;
    const series = this.#make(Object.fromEntries(this.#labelNames.map((name, place) => [name, values[place] as string])));
    level.set(values[last] as string, series);
    this.#all.add(series);
    return series;
  }

  /** Ends every series whose first label has this value. */
  drop(first: string): void {
    this.#last = null;
    const dropped = this.#root.get(first);
    this.#root.delete(first);
    if (dropped !== undefined) this.#forget(dropped);
  }

  #forget(branch: Level<Series> | Series): void {
    if (branch instanceof Map) for (const next of branch.values()) this.#forget(next);
    else this.#all.delete(branch);
  }
}

function isSame(left: readonly string[], right: readonly string[]): boolean {
  for (let place = 0; place < left.length; place++) if (left[place] !== right[place]) return false;
  return true;
}

/** A counter with at least one label. */
export class SeriesCounter {
  readonly #table: SeriesTable<{ readonly labels: Record<string, string>; value: number }>;

  constructor({ name, help, labelNames, registry }: SeriesOptions) {
    const table = new SeriesTable(labelNames, (labels) => ({ labels, value: 0 }));
    this.#table = table;
    const counter = new Counter({
      name,
      help,
      labelNames: [...labelNames],
      registers: [registry],
      collect() {
        counter.reset();
        for (const { labels, value } of table.all) counter.inc(labels, value);
      },
    });
  }

  /** @param values one for each label name, in their order */
  increment(...values: readonly string[]): void {
    this.#table.at(values).value++;
  }

  drop(first: string): void {
    this.#table.drop(first);
  }
}

interface Distribution {
  readonly labels: Record<string, string>;
  /** Observations in each bucket alone, the last one beyond all bounds. */
  readonly counts: Float64Array;
  sum: number;
  /** By bucket, the last one of each; null: there is none yet. */
  exemplars: Exemplar[] | null;
}

/** A histogram with at least one label. */
export class SeriesHistogram {
  readonly #table: SeriesTable<Distribution>;
  readonly #bounds: readonly number[];
  readonly #name: string;

  /** @param bounds upper bounds of the buckets, rising; the one without a bound is added */
  constructor(options: SeriesOptions & { readonly bounds: readonly number[] }) {
    const { name, help, labelNames, registry, bounds } = options;
    this.#bounds = bounds;
    this.#name = name;
    this.#table = new SeriesTable(labelNames, (labels) => ({
      labels,
      counts: new Float64Array(bounds.length + 1),
      sum: 0,
      exemplars: null,
    }));
    registry.registerMetric(new CollectedHistogram({ name, help, labelNames, bounds, read: () => this.#table.all }));
  }

  /** @param values one for each label name, in their order */
  observe(value: number, ...values: readonly string[]): void {
    const series = this.#table.at(values);
    const bucket = this.#bucketOf(value);
    series.counts[bucket] = (series.counts[bucket] as number) + 1;
    series.sum += value;
  }

  /** Says of an observation in which trace it was made; the last one of each bucket is kept. */
  exemplify(exemplar: Exemplar, ...values: readonly string[]): void {
    const series = this.#table.at(values);
    series.exemplars ??= [];
    series.exemplars[this.#bucketOf(exemplar.value)] = exemplar;
  }

  /** Those that there are now, by their series as Prometheus' text has it. */
  exemplars(): ReadonlyMap<string, Exemplar> {
    const named = new Map<string, Exemplar>();
    for (const { labels, exemplars } of this.#table.all)
      exemplars?.forEach((exemplar, bucket) => {
        const written = Object.entries({ le: this.#bounds[bucket] ?? "+Inf", ...labels }).map(
          ([name, value]) => `${name}="${escaped(String(value))}"`,
        );
        named.set(`${this.#name}_bucket{${written.join(",")}}`, exemplar);
      });
    return named;
  }

  #bucketOf(value: number): number {
    const bounds = this.#bounds;
    let bucket = 0;
    while (bucket < bounds.length && value > (bounds[bucket] as number)) bucket++;
    return bucket;
  }
}

/** As the text format has label values. */
const escaped = (value: string) => value.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');

/** What the registry asks at a scrape, in place of prom-client's own store of observations. */
class CollectedHistogram extends Histogram {
  readonly #options: CollectedOptions;

  constructor(options: CollectedOptions) {
    const { name, help, labelNames, bounds } = options;
    super({ name, help, labelNames: [...labelNames], buckets: [...bounds], registers: [] });
    this.#options = options;
  }

  override async get(): Promise<MetricObjectWithValues<MetricValueWithName<string>>> {
    const { name, help } = this.#options;
    const values = [...this.#options.read()].flatMap((series) => this.#valuesOf(series));
    // prom-client's declarations call the type a number and ask for `collect`; what it makes itself has a name and none.
    return { name, help, type: "histogram", aggregator: "sum", values } as never;
  }

  /** The registry's text takes this one where there is one; the values are the same. */
  getForPromString(): Promise<MetricObjectWithValues<MetricValueWithName<string>>> {
    return this.get();
  }

  #valuesOf({ labels, counts, sum }: Distribution): MetricValueWithName<string>[] {
    const { name, bounds } = this.#options;
    let count = 0;
    const buckets = [...bounds, "+Inf"].map((le, bucket) => {
      count += counts[bucket] as number;
      return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: count };
    });
    return [...buckets, { metricName: `${name}_sum`, labels, value: sum }, { metricName: `${name}_count`, labels, value: count }];
  }
}

interface CollectedOptions {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
  readonly bounds: readonly number[];
  readonly read: () => Iterable<Distribution>;
}
