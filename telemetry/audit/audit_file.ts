import { mkdirSync } from "node:fs";
import { createStream, type RotatingFileStream } from "rotating-file-stream";
import type { Clock } from "../../runtime/clock.ts";
import type { AuditDestination } from "./audit_log.ts";

export interface AuditFileOptions {
  readonly folder: string;
  /** Size at which the file is put aside. */
  readonly maxFileBytes: number;
  /** Files put aside that are kept. */
  readonly maxFiles: number;
  readonly clock: Clock;
  /** Lines that could not be written; told of once until they can be again. */
  readonly onLost: (cause: unknown) => void;
  /** Counts them, each. */
  readonly count: () => void;
}

const FILE = "audit.log";
/** Lines that wait for the disk. */
const MAX_WAITING_BYTES = 4_194_304;
/** Pause before a file that failed is opened again. */
const REOPEN_MS = 5_000;

/** `audit.log` in a folder, its owner's alone; at its size it becomes `audit.log.1`, that one `audit.log.2`, and the last one goes. */
export class AuditFile implements AuditDestination {
  readonly #options: AuditFileOptions;
  #stream: RotatingFileStream | null = null;
  #reopenAtMs = 0;
  #isLosing = false;

  constructor(options: AuditFileOptions) {
    this.#options = options;
    mkdirSync(options.folder, { recursive: true, mode: 0o700 });
    this.#open();
  }

  write(line: string): void {
    const { clock } = this.#options;
    if (this.#stream === null && clock.monotonicMs() >= this.#reopenAtMs) this.#open();
    const stream = this.#stream;
    if (stream === null) this.#lose(null);
    else if (stream.writableLength + line.length > MAX_WAITING_BYTES) this.#lose(new Error("Too much waits to be written"));
    else stream.write(line);
  }

  close(): Promise<void> {
    const stream = this.#stream;
    this.#stream = null;
    this.#reopenAtMs = Number.POSITIVE_INFINITY;
    if (stream === null) return Promise.resolve();
    return new Promise((resolve) => {
      stream.once("close", resolve);
      stream.once("error", () => resolve());
      stream.end(() => resolve());
    });
  }

  #open(): void {
    const { folder, maxFileBytes, maxFiles, clock } = this.#options;
    const stream = createStream(FILE, { path: folder, size: `${maxFileBytes}B`, rotate: maxFiles, mode: 0o600 });
    stream.on("error", (cause) => {
      if (this.#stream === stream) {
        this.#stream = null;
        this.#reopenAtMs = clock.monotonicMs() + REOPEN_MS;
      }
      this.#lose(cause);
    });
    stream.on("open", () => {
      this.#isLosing = false;
    });
    this.#stream = stream;
  }

  #lose(cause: unknown): void {
    this.#options.count();
    if (this.#isLosing) return;
    this.#isLosing = true;
    this.#options.onLost(cause);
  }
}
