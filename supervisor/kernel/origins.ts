/** How many errors deep a failure may be wrapped and still be known. */
const MAX_CAUSES = 8;

/** In which actor each failure came up: those that only pass it on to their own askers are not to blame for it. */
export class Origins {
  readonly #paths = new WeakMap<object, string>();

  /** Path of the actor that the failure came up in: the first that was given for it or for one of its causes. */
  claim(error: Error, path: string): string {
    const known = this.#find(error);
    if (known === null) this.#paths.set(error, path);
    return known ?? path;
  }

  #find(error: Error): string | null {
    let link: unknown = error;
    for (let depth = 0; depth < MAX_CAUSES && link instanceof Error; depth++, link = link.cause) {
      const path = this.#paths.get(link);
      if (path !== undefined) return path;
    }
    return null;
  }
}
