import { totalmem } from "node:os";
import process from "node:process";

/** Bytes of memory this process has, and those it may have: the machine's, or its container's where that has fewer. */
export interface MemoryReading {
  readonly usedBytes: number;
  readonly limitBytes: number;
}

export function readMemory(): MemoryReading {
  const constrained = process.constrainedMemory(); // 0, or more than there is, where no container bounds it
  const total = totalmem();
  return { usedBytes: process.memoryUsage.rss(), limitBytes: constrained > 0 && constrained < total ? constrained : total };
}
