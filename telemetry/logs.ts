import { type DestinationStream, type Logger as PinoLogger, pino, stdTimeFunctions } from "pino";

export type Logger = PinoLogger;

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** JSON lines on stdout (or `destination`), with the node's name; secrets that a field may carry are masked. */
export function createLogger(options: { readonly level: LogLevel; readonly node: string }, destination?: DestinationStream): Logger {
  return pino(
    {
      level: options.level,
      base: { node: options.node },
      timestamp: stdTimeFunctions.isoTime,
      redact: { paths: ["authorization", "*.authorization", "headers.authorization", "apiKey", "*.apiKey"], censor: "[masked]" },
    },
    ...(destination === undefined ? [] : [destination]),
  );
}
