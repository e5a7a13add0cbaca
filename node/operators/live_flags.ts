import { FLAG_KEYS, type FlagKey, type Flags } from "../../config/flags.ts";

type Changeable = { -readonly [Key in FlagKey]: Flags[Key] };

/** The node's flags: one object that everything reads, changed in place and by nobody else. */
export class LiveFlags {
  readonly #values: Changeable;

  constructor(start: Flags) {
    this.#values = { ...start };
  }

  get values(): Flags {
    return this.#values;
  }

  /** @returns those that have changed */
  set(wanted: Flags): readonly FlagKey[] {
    const changed = FLAG_KEYS.filter((key) => this.#values[key] !== wanted[key]);
    for (const key of changed) this.#values[key] = wanted[key];
    return changed;
  }
}
