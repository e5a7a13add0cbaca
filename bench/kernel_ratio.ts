import { atLeast, type BenchContext, type Benchmark, plain, type Report } from "./harness/benchmark.ts";
import { benchKernel } from "./kernel.ts";

/** The kernel's messages with all bounds on, beside bare nact. */
export const kernelBenchmark: Benchmark = { name: "kernel", title: "Tell and ask beside bare nact", run };

async function run(context: BenchContext): Promise<Report> {
  const cases = await benchKernel({
    rounds: context.isQuick ? 3 : 9,
    durationMs: context.isQuick ? 150 : 500,
    signal: context.signal,
    onProgress: (done, total) => context.progress(`measurement ${done} of ${total}`),
  });
  return {
    figures: cases.flatMap(({ name, kernelPerSecond, nactPerSecond, ratio }) => [
      plain(`${name}, kernel`, kernelPerSecond, "/s"),
      plain(`${name}, bare nact`, nactPerSecond, "/s"),
      name.startsWith("ask") ? atLeast(`${name}, kernel / nact`, ratio, "ratio", 0.6) : plain(`${name}, kernel / nact`, ratio, "ratio"),
    ]),
    details: cases,
  };
}
