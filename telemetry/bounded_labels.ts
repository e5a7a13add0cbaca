/** Where everything beyond the bound is counted together. */
export const OTHER = "_other";

/**
 * Keeps a label's values to a bound: the first `max` names have a series of their own, later ones share `_other`. A name
 * keeps its series until it is forgotten, so that no counter jumps back.
 */
export class BoundedLabels {
  readonly #max: number;
  readonly #names = new Set<string>();

  constructor(max: number) {
    this.#max = max;
  }

  label(name: string): string {
    if (this.#names.has(name)) return name;
    if (this.#names.size >= this.#max) return OTHER;
    this.#names.add(name);
    return name;
  }

  /** Makes room; true when the name had a series of its own. */
  forget(name: string): boolean {
    return this.#names.delete(name);
  }
}
