import process from "node:process";

/**
 * Keeps a rejection that nobody waits for from ending the process: both runtimes would. What it belonged to has been
 * answered or given up (a client that went away while its request was being read, a store's call past its deadline),
 * and the state it could have spoilt is owned by actors, which are supervised. @returns what ends it
 */
export function reportStrayRejections(report: (reason: unknown) => void): () => void {
  process.on("unhandledRejection", report);
  return () => void process.off("unhandledRejection", report);
}
