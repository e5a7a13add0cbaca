import { spawn } from "node:child_process";
import { get } from "node:http";
import type { Action, Container, Probe } from "./objects.ts";

/** Where a container's actions are carried out. */
export interface ActionTarget {
  readonly container: Container;
  readonly address: string;
  readonly env: Readonly<Record<string, string>>;
}

const SECOND_MS = 1_000;

/** An HTTP request or a command of a probe or hook; rejects when it fails or takes too long. */
export function act(action: Action, target: ActionTarget, limitMs: number): Promise<void> {
  if (action.httpGet !== undefined)
    return askHttp(target.address, portOf(action.httpGet.port, target.container), action.httpGet.path, limitMs);
  if (action.exec !== undefined) return runCommand(action.exec.command, target.env, limitMs);
  return Promise.reject(new Error("An action is neither httpGet nor exec"));
}

function portOf(port: string | number, { ports = [] }: Container): number {
  if (typeof port === "number") return port;
  const found = ports.find(({ name }) => name === port);
  if (found === undefined) throw new Error(`The container has no port ${port}`);
  return found.containerPort;
}

/** Each time over a connection of its own, as kubelets do. */
function askHttp(host: string, port: number, path: string, limitMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const limit = setTimeout(() => asked.destroy(new Error("No answer in time")), limitMs);
    const asked = get({ host, port, path, agent: false }, (response) => {
      response.resume();
      clearTimeout(limit);
      const status = response.statusCode ?? 0;
      if (status >= 200 && status < 400) resolve();
      else reject(new Error(`${path} answered ${status}`));
    });
    asked.on("error", (error) => {
      clearTimeout(limit);
      reject(error);
    });
  });
}

function runCommand(command: readonly string[], env: Readonly<Record<string, string>>, limitMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const [program = "", ...args] = command;
    const child = spawn(program, args, { env: { ...env }, stdio: "ignore" });
    const limit = setTimeout(() => child.kill("SIGKILL"), limitMs);
    child.once("error", reject);
    child.once("exit", (code) => {
      clearTimeout(limit);
      if (code === 0) resolve();
      else reject(new Error(`${program} ended with code ${code}`));
    });
  });
}

/**
 * Carries out a probe again and again until the signal.
 * @param onVerdict told whenever as many in a row as the probe's threshold have said the same, and that is new
 */
export async function probeUntil(
  probe: Probe,
  target: ActionTarget,
  onVerdict: (isGood: boolean) => void,
  signal: AbortSignal,
): Promise<void> {
  const { initialDelaySeconds = 0, periodSeconds = 10, timeoutSeconds = 1, failureThreshold = 3, successThreshold = 1 } = probe;
  let verdict: boolean | null = null;
  let last: boolean | null = null;
  let inRow = 0;
  await pause(initialDelaySeconds * SECOND_MS, signal);
  while (!signal.aborted) {
    const isGood = await act(probe, target, timeoutSeconds * SECOND_MS).then(
      () => true,
      () => false,
    );
    if (signal.aborted) return;
    inRow = isGood === last ? inRow + 1 : 1;
    last = isGood;
    if (isGood !== verdict && inRow >= (isGood ? successThreshold : failureThreshold)) {
      verdict = isGood;
      onVerdict(isGood);
    }
    await pause(periodSeconds * SECOND_MS, signal);
  }
}

/** Resolves after the time, or at the signal. */
export function pause(durationMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, durationMs);
    signal.addEventListener("abort", end, { once: true });
  });
}
