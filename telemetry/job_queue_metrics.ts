import { Gauge, type Registry } from "prom-client";

/** Of the queue that nodes share: each of them reports the same figures. */
export interface JobQueueReading {
  readonly pending: number;
  readonly inFlight: number;
  readonly redelivered: number;
}

/** While the queue is away its figures are left out: they are not known. */
export function observeJobQueue(registry: Registry, read: () => JobQueueReading | null): void {
  for (const [name, help, field] of [
    ["kennel_ingest_queue_pending", "Jobs in the queue of all nodes that none has taken yet", "pending"],
    ["kennel_ingest_queue_ack_pending", "Jobs of the queue that nodes have taken and not ended", "inFlight"],
    ["kennel_ingest_queue_redelivered", "Of these, jobs that were handed out before", "redelivered"],
  ] as const) {
    const gauge = new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        const reading = read();
        if (reading === null) gauge.remove();
        else gauge.set(reading[field]);
      },
    });
  }
}
