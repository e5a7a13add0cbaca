/** What NATS' tools show of an endpoint. The client's own figures end when a handler returns, before its answer is made. */
export class EndpointStatistics {
  #errors = 0;
  #lastError = "";
  #requests = 0;
  #milliseconds = 0;

  answered(durationMs: number, error: string | null): void {
    this.#requests++;
    this.#milliseconds += durationMs;
    if (error === null) return;
    this.#errors++;
    this.#lastError = error;
  }

  /** Times in nanoseconds, as the service's protocol has them. */
  read(): object {
    const nanoseconds = Math.round(this.#milliseconds * 1e6);
    return {
      num_requests: this.#requests,
      num_errors: this.#errors,
      last_error: this.#lastError,
      processing_time: nanoseconds,
      average_processing_time: this.#requests === 0 ? 0 : Math.round(nanoseconds / this.#requests),
    };
  }
}
