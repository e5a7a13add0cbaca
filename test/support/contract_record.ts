import { mkdirSync, writeFileSync } from "node:fs";
import process from "node:process";
import type * as uvu from "uvu";
import type { ContractRun, Outcome } from "../../tooling/contract_matrix.ts";
import { runFile } from "../../tooling/contract_matrix.ts";

export interface Deviation {
  readonly reason: string;
  readonly tests: readonly string[];
}

/** Notes how one adapter does in its contract's cases, for the table that `tooling/contract_matrix.ts` makes of all runs. */
export class ContractRecord {
  readonly #contract: string;
  readonly #adapter: string;
  readonly #reasons: ReadonlyMap<string, string>;
  readonly #outcomes = new Map<string, Outcome>();

  /** @param adapter as people call it; the columns of the table */
  constructor(contract: string, adapter: string, deviations: readonly Deviation[]) {
    this.#contract = contract;
    this.#adapter = adapter;
    this.#reasons = new Map(deviations.flatMap(({ reason, tests }) => tests.map((name) => [name, reason])));
  }

  /** Whether this adapter is not held to the case; it is noted with its reason. */
  isDeviation(name: string): boolean {
    const reason = this.#reasons.get(name);
    if (reason !== undefined) this.#outcomes.set(name, { kind: "deviates", reason });
    return reason !== undefined;
  }

  /** The case's body with a note of how it ended. */
  noted<Context>(name: string, body: (context: Context) => Promise<void>): (context: Context) => Promise<void> {
    this.#outcomes.set(name, { kind: "fails" });
    return async (context) => {
      await body(context);
      this.#outcomes.set(name, { kind: "passes" });
    };
  }

  /** Names that were said to deviate and are no cases of the contract. */
  get unknown(): readonly string[] {
    return [...this.#reasons.keys()].filter((name) => !this.#outcomes.has(name));
  }

  /** After the last case. */
  write(): void {
    const runtime = "deno" in process.versions ? "Deno" : "Node";
    const run: ContractRun = { contract: this.#contract, adapter: this.#adapter, runtime, outcomes: [...this.#outcomes] };
    const file = runFile(run);
    mkdirSync(new URL(".", file), { recursive: true });
    writeFileSync(file, JSON.stringify(run));
  }
}

/** Cases of a contract, each on a rig of its own, which is stopped whatever comes of the case. */
export function casesOn<Rig extends { stop(): Promise<void> }>(test: uvu.Test, record: ContractRecord, open: () => Promise<Rig>) {
  return (sentence: string, body: (rig: Rig) => Promise<void>): void => {
    if (record.isDeviation(sentence)) return;
    const noted = record.noted(sentence, async () => {
      const rig = await open();
      try {
        await body(rig);
      } finally {
        await rig.stop();
      }
    });
    test(sentence, () => noted(null));
  };
}
