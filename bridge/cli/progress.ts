import type { Terminal } from "./terminal.ts";

/** How far long work has come; drawn where somebody looks, else silent. */
export interface Progress {
  /** `total` may grow while work is found. */
  update(done: number, total: number): void;
  /** Always call it: it gives the line back. */
  stop(): void;
}

export async function startProgress(terminal: Terminal, title: string, unit: string): Promise<Progress> {
  if (!terminal.isInteractive) return { update: () => {}, stop: () => {} };
  const { SingleBar, Presets } = await import("cli-progress");
  const bar = new SingleBar(
    { format: `${title} {bar} {value}/{total} ${unit}, {eta_formatted} left`, hideCursor: true, clearOnComplete: true, etaBuffer: 50 },
    Presets.shades_classic,
  );
  bar.start(0, 0);
  return {
    update(done, total) {
      bar.setTotal(total);
      bar.update(done);
    },
    stop: () => bar.stop(),
  };
}
