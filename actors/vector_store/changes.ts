/** Changes of one index follow one another; those of different indexes do not wait for each other. Holds no more than what is under way. */
export class Changes {
  readonly #last = new Map<string, Promise<void>>();

  /** Runs `work` after every earlier change under `name` has ended, however it ended. */
  async alone<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
    const before = this.#last.get(name) ?? Promise.resolve();
    const result = before.then(work);
    const ended = result.then(ignore, ignore);
    this.#last.set(name, ended);
    try {
      return await result;
    } finally {
      if (this.#last.get(name) === ended) this.#last.delete(name);
    }
  }

  /** Resolves when all that was under way has ended. */
  async ended(): Promise<void> {
    await Promise.all(this.#last.values());
  }
}

function ignore(): void {}
