import type { Random } from "../../runtime/random.ts";
import { lacksNames, type Member } from "./member.ts";

export interface MissingNamesOptions {
  /** Nodes that are asked at once. */
  readonly maxOpen: number;
  /** A digest may still bring them: nobody is asked sooner than this, nor all at the same moment. */
  readonly waitMs: number;
  /** Pause before a node is asked again. */
  readonly retryMs: number;
  readonly timeoutMs: number;
}

export const MISSING_NAMES_OPTIONS: MissingNamesOptions = { maxOpen: 8, waitMs: 1_000, retryMs: 3_000, timeoutMs: 2_000 };

interface Missing {
  dueMs: number;
  isOpen: boolean;
}

/** Whom to ask which collections are ready there: nodes of other groups, whose digests tell that only when it changes. */
export class MissingNames {
  readonly #options: MissingNamesOptions;
  readonly #random: Random;
  readonly #missing = new Map<string, Missing>();
  #open = 0;

  constructor(options: MissingNamesOptions, random: Random) {
    this.#options = options;
    this.#random = random;
  }

  /** @returns whom to ask now; each is to be followed by `asked` */
  step(members: Iterable<Member>, nowMs: number): readonly string[] {
    const { maxOpen, waitMs, retryMs } = this.#options;
    const due: string[] = [];
    const lacking = new Set<string>();
    for (const member of members) {
      if (!lacksNames(member)) continue;
      const { node } = member.beat;
      lacking.add(node);
      const known = this.#missing.get(node);
      if (known === undefined) this.#missing.set(node, { dueMs: nowMs + waitMs * (1 + this.#random.next()), isOpen: false });
      else if (!known.isOpen && nowMs >= known.dueMs && this.#open < maxOpen) {
        known.isOpen = true;
        known.dueMs = nowMs + retryMs;
        this.#open += 1;
        due.push(node);
      }
    }
    for (const [node, { isOpen }] of this.#missing) if (!lacking.has(node) && !isOpen) this.#missing.delete(node);
    return due;
  }

  /** It has answered, or not in time. */
  asked(node: string): void {
    const known = this.#missing.get(node);
    if (known?.isOpen !== true) return;
    known.isOpen = false;
    this.#open -= 1;
  }
}
