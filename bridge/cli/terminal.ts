/** Where a command writes. Results go to `out`, everything about them (progress, notes, errors) to `err`, so that results can be piped. */
export interface Terminal {
  out(line: string): void;
  err(line: string): void;
  /** Redraws the same place of the screen; lines after each other where there is no screen. */
  redraw(text: string): void;
  /** Whether progress bars and colours make sense. */
  readonly isInteractive: boolean;
  readonly columns: number;
}

export function systemTerminal(): Terminal {
  const isInteractive = process.stderr.isTTY === true;
  return {
    out: (line) => void process.stdout.write(`${line}\n`),
    err: (line) => void process.stderr.write(`${line}\n`),
    redraw: (text) => void process.stdout.write(process.stdout.isTTY ? `\u001b[H\u001b[2J${text}\n` : `${text}\n`),
    isInteractive,
    columns: process.stdout.columns || 100,
  };
}

/** Ends a command with an exit code and one message for people. */
export class CommandError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number, options?: ErrorOptions) {
    super(message, options);
    this.name = "CommandError";
    this.exitCode = exitCode;
  }
}

/** 0: done; these otherwise. */
export const EXIT = { failed: 1, misused: 2 } as const;
