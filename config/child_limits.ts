import { z } from "zod";
import { setting } from "./setting.ts";

const ratio = z.number().min(0).max(1);
const milliseconds = z.int().min(1).max(3_600_000);

const DEFAULTS = {
  mailboxCapacity: 1_000,
  maxInFlight: 32,
  restartIntensity: 5,
  restartPeriodMs: 30_000,
  windowMs: 10_000,
  minCalls: 20,
  maxFailureRatio: 0.5,
  slowCallMs: 5_000,
  maxSlowRatio: 0.8,
  backoffMs: 500,
  maxBackoffMs: 30_000,
  probeTimeoutMs: 2_000,
  probeIntervalMs: 10_000,
  maxFailedProbes: 3,
  startTimeoutMs: 15_000,
  stopGraceMs: 5_000,
  stopLimitMs: 10_000,
};

/** The thresholds of one kind of supervised child, where `differs` says how it differs from the others. */
export function childLimits(differs: Partial<typeof DEFAULTS>) {
  const value = { ...DEFAULTS, ...differs };
  return {
    mailboxCapacity: setting(z.int().min(1).max(1_000_000), value.mailboxCapacity, "Messages that wait; beyond it `overloaded`"),
    maxInFlight: setting(z.int().min(1).max(10_000), value.maxInFlight, "Calls being worked on at once"),
    restartIntensity: setting(z.int().min(0).max(1_000), value.restartIntensity, "Restarts within the period before it is suspended"),
    restartPeriodMs: setting(milliseconds, value.restartPeriodMs, "The period of the restart intensity"),
    windowMs: setting(milliseconds, value.windowMs, "Sliding window of the failure and slow-call ratios"),
    minCalls: setting(z.int().min(1).max(1_000_000), value.minCalls, "Calls in the window below which no ratio is judged"),
    maxFailureRatio: setting(ratio, value.maxFailureRatio, "Failed calls (0 to 1) that suspend it"),
    slowCallMs: setting(milliseconds, value.slowCallMs, "A call is slow beyond this"),
    maxSlowRatio: setting(ratio, value.maxSlowRatio, "Slow calls (0 to 1) that suspend it"),
    backoffMs: setting(milliseconds, value.backoffMs, "First suspension; doubles with each one in a row"),
    maxBackoffMs: setting(milliseconds, value.maxBackoffMs, "Longest suspension"),
    probeTimeoutMs: setting(milliseconds, value.probeTimeoutMs, "Time a health probe may take"),
    probeIntervalMs: setting(
      z.int().min(0).max(3_600_000),
      value.probeIntervalMs,
      "Pause between probes while healthy; 0: only after a suspension",
    ),
    maxFailedProbes: setting(z.int().min(1).max(1_000), value.maxFailedProbes, "Failed probes in a row that suspend it"),
    startTimeoutMs: setting(milliseconds, value.startTimeoutMs, "Time its start may take"),
    stopGraceMs: setting(z.int().min(0).max(3_600_000), value.stopGraceMs, "Time to finish its own work when stopping"),
    stopLimitMs: setting(milliseconds, value.stopLimitMs, "After it a handler that still runs is let go"),
  };
}
