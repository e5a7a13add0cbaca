/**
 * JSON lines, one an event.
 *
 * Invariants:
 *   L1. Whatever is logged passes `Redaction`: no secret, no path of an error, no stack, no line that a caller has made up.
 *   L2. Lines with one message are bounded by the minute, from `info` on; what was left out is told.
 */
import {
  type ChildLoggerOptions,
  type DestinationStream,
  type LevelWithSilent,
  type Logger as PinoLogger,
  pino,
  stdTimeFunctions,
} from "pino";
import { Redaction } from "./redaction.ts";
import { RepeatedLines } from "./repeated_lines.ts";

export type Logger = PinoLogger;

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LogOptions {
  readonly level: LogLevel;
  readonly node: string;
  /** Lines with one message in a minute; `trace` and `debug`, which are asked for, have no bound. @default 120 */
  readonly maxRepeats?: number;
  /** @default nothing but what looks like a secret is masked */
  readonly redaction?: Redaction;
  /** Fields of what is being worked on now, such as the trace; null: none. @default none */
  readonly context?: () => Readonly<Record<string, string>> | null;
  /** Monotonic, in ms. @default performance.now */
  readonly nowMs?: () => number;
}

const DEFAULT_REPEATS = 120;
const BOUNDED_FROM = pino.levels.values.info as number;

/**
 * JSON lines on stdout (or `destination`), with the node's name; an actor's own logger is a child with its path as `actor`,
 * and `context` adds request and trace.
 */
export function createLogger(options: LogOptions, destination?: DestinationStream): Logger {
  const { level, node, maxRepeats = DEFAULT_REPEATS, redaction = new Redaction(), context, nowMs = () => performance.now() } = options;
  const repeats = new RepeatedLines(maxRepeats, nowMs);
  const logger = pino(
    {
      level: level as LevelWithSilent,
      base: { node },
      timestamp: stdTimeFunctions.isoTime,
      serializers: { err: (err: unknown) => err }, // `fields` has made it fit
      formatters: { log: (fields) => redaction.fields(fields), bindings: (fields) => redaction.fields(fields) }, // L1
      ...(context === undefined ? {} : { mixin: () => ({ ...context() }) }), // pino adds to what it is given
      hooks: {
        logMethod(args, method, levelNumber) {
          const [fields, message] = spread(args);
          if (levelNumber >= BOUNDED_FROM) {
            for (const { line, count } of repeats.ended()) method.apply(this, [{ line, count }, "Lines were left out"]);
            if (!repeats.admits(message)) return; // L2
          }
          method.apply(this, [fields, redaction.text(message)]);
        },
      },
    },
    ...(destination === undefined ? [] : [destination]),
  );
  // pino writes a child's own fields as they are.
  const holder = logger as unknown as { child: (bindings: Record<string, unknown>, own?: ChildLoggerOptions) => Logger };
  const { child } = holder;
  holder.child = function (bindings, own) {
    return child.call(this, redaction.fields(bindings), own);
  };
  return logger;
}

/** What pino takes, as fields and a message; an error alone is a field, its words no message. */
function spread([first, second]: readonly unknown[]): [object, string] {
  if (typeof first === "string") return [{}, first];
  const fields = first instanceof Error ? { err: first } : typeof first === "object" && first !== null ? first : {};
  return [fields, typeof second === "string" ? second : "Something failed"];
}
