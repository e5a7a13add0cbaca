/** A key's limits as `kennel keys` takes and shows them. */
import type { OwnLimits } from "../keys/grant.ts";
import { CommandError, EXIT } from "./terminal.ts";

export interface KeyLimitOptions {
  readonly rate?: string;
  readonly burst?: string;
  readonly concurrent?: string;
}

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600 };
const MAX = 1_000_000;

/** Null: none is given, so that the node's settings hold. */
export function limitsOf({ rate, burst, concurrent }: KeyLimitOptions): OwnLimits | null {
  if (rate === undefined && burst === undefined && concurrent === undefined) return null;
  const limits = {
    rate_per_second: rate === undefined ? null : rateOf(rate),
    burst: burst === undefined ? null : wholeOf("--burst", burst),
    max_concurrent: concurrent === undefined ? null : concurrent === "none" ? 0 : wholeOf("--concurrent", concurrent),
  };
  if (limits.burst !== null && limits.rate_per_second === null) throw misused("--burst belongs to a --rate; give both");
  return limits;
}

function rateOf(text: string): number {
  if (text === "none") return 0;
  const [, count = "", unit = ""] = /^([1-9]\d{0,6})\/([smh])$/.exec(text) ?? [];
  const rate = Number(count) / (SECONDS[unit] ?? Number.NaN);
  if (rate > 0 && rate <= MAX) return rate;
  throw misused(`--rate: found ${JSON.stringify(text)}; expected requests in a time, as 10/s, 300/m or 1000/h, or none`);
}

function wholeOf(option: string, text: string): number {
  if (/^[1-9]\d{0,6}$/.test(text) && Number(text) <= MAX) return Number(text);
  throw misused(`${option}: found ${JSON.stringify(text)}; expected a whole number from 1 to ${MAX}`);
}

/** As it is put behind a key in a list; empty: the node's settings say. */
export function showLimits(limits: OwnLimits | null | undefined): string {
  if (limits === null || limits === undefined) return "";
  const { rate_per_second: rate, burst, max_concurrent: concurrent } = limits;
  return [
    rate === null ? "" : rate === 0 ? ", any rate" : `, ${Math.round(rate * 1_000) / 1_000} a second`,
    burst === null ? "" : `, ${burst} at once`,
    concurrent === null ? "" : concurrent === 0 ? ", any number under way" : `, ${concurrent} under way`,
  ].join("");
}

const misused = (message: string) => new CommandError(message, EXIT.misused);
