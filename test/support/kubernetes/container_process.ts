import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import process from "node:process";
import { type ActionTarget, act, pause, probeUntil } from "./probes.ts";

/** What an image's name stands for on this machine. */
export interface Image {
  /** Where the image has /app. */
  readonly folder: string;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export interface ContainerEvents {
  started(isStarted: boolean): void;
  ready(isReady: boolean): void;
}

const SECOND_MS = 1_000;
/** Time that a kubelet leaves between SIGTERM and SIGKILL where the hook has used up the grace. */
const LEAST_TERM_MS = 2_000;

/** One life of one container: its process, its probes, its end. */
export class ContainerProcess {
  readonly #child: ChildProcess;
  readonly #target: ActionTarget;
  readonly #life = new AbortController();
  #stopping: Promise<void> | null = null;
  /** Resolves with the exit code; null: a signal ended it. */
  readonly ended: Promise<number | null>;

  /**
   * @param log file that takes what it writes
   * @param graceMs what it gets to end where a probe has found it to be dead
   */
  constructor(image: Image, target: ActionTarget, log: string, graceMs: number, events: ContainerEvents) {
    this.#target = target;
    const [program = "", ...args] = commandOf(image, target);
    const output = openSync(log, "a");
    const { PATH = "", HOME = "" } = process.env;
    const env = { PATH, HOME, ...image.env, ...target.env };
    this.#child = spawn(program, args, { cwd: image.folder, env, stdio: ["ignore", output, output] });
    closeSync(output);
    this.ended = new Promise((resolve) => {
      const end = (code: number | null) => {
        this.#life.abort();
        resolve(code);
      };
      this.#child.once("error", () => end(null));
      this.#child.once("exit", end);
    });
    void this.#probe(graceMs, events);
  }

  /** preStop, SIGTERM, and SIGKILL at the end of the grace. A second call changes nothing. */
  stop(graceMs: number): Promise<void> {
    this.#stopping ??= this.#stop(performance.now() + graceMs);
    return this.#stopping;
  }

  /** As `kill -9`. */
  kill(): void {
    this.#signal("SIGKILL");
  }

  async #stop(deadlineMs: number): Promise<void> {
    const preStop = this.#target.container.lifecycle?.preStop;
    const leftMs = () => Math.max(0, deadlineMs - performance.now());
    if (preStop?.sleep !== undefined) await pause(Math.min(preStop.sleep.seconds * SECOND_MS, leftMs()), this.#life.signal);
    else if (preStop !== undefined) await act(preStop, this.#target, leftMs()).catch(() => undefined);
    this.#signal("SIGTERM");
    await pause(Math.max(LEAST_TERM_MS, leftMs()), this.#life.signal);
    this.kill();
    await this.ended;
  }

  async #probe(graceMs: number, events: ContainerEvents): Promise<void> {
    const { startupProbe, readinessProbe, livenessProbe } = this.#target.container;
    const { signal } = this.#life;
    const restart = () => void this.stop(graceMs);
    if (startupProbe !== undefined && !(await this.#isStarted(startupProbe))) return restart();
    if (signal.aborted) return;
    events.started(true);
    if (readinessProbe === undefined) events.ready(true);
    else void probeUntil(readinessProbe, this.#target, events.ready, signal);
    if (livenessProbe !== undefined) void probeUntil(livenessProbe, this.#target, (isGood) => isGood || restart(), signal);
  }

  async #isStarted(probe: NonNullable<ActionTarget["container"]["startupProbe"]>): Promise<boolean> {
    const verdict = new AbortController();
    let isStarted = false;
    const decide = (isGood: boolean) => {
      isStarted = isGood;
      verdict.abort();
    };
    await probeUntil(probe, this.#target, decide, AbortSignal.any([verdict.signal, this.#life.signal]));
    return isStarted;
  }

  /** By its id: after child.kill, Deno reports that the signal ended the process, whatever the process made of it. */
  #signal(name: "SIGTERM" | "SIGKILL"): void {
    if (this.#child.pid === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    try {
      process.kill(this.#child.pid, name);
    } catch {
      // It has ended this moment.
    }
  }
}

function commandOf({ command, folder }: Image, { container }: ActionTarget): readonly string[] {
  if (container.command === undefined) return [...command, ...(container.args ?? [])];
  return [...container.command, ...(container.args ?? [])].map((word) => word.replace(/^\/app\//, `${folder}/`));
}
