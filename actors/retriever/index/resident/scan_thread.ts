import { serveTasks } from "../../../../runtime/worker_thread.ts";
import { bindKernels, loadKernels } from "./kernels.ts";
import { runScan, type ScanPlan } from "./vector_scan.ts";

export interface ScanTask {
  /** Shared with the index that the plan is of. */
  readonly memory: WebAssembly.Memory;
  readonly plan: ScanPlan;
  readonly vector: Float32Array;
}

/** What `runScan` returned; the hits themselves lie in the plan's space. */
export interface ScanResult {
  readonly size: number;
  readonly factor: number;
}

/** Entry file of the threads that scan large indexes. Nothing of an index is kept between two scans, so none outlives its collection here. */
await serveTasks<null, ScanTask, ScanResult>(async () => {
  const module = await loadKernels();
  return {
    handle: ({ memory, plan, vector }) => ({ value: runScan(bindKernels(module, memory), memory, plan, vector), transfer: [] }),
    close: () => {},
  };
});
