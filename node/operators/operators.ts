/**
 * What operators have said, and what holds because of it: the mode that they force and the flags that they have switched, on
 * this node or on the whole cluster.
 *
 * Invariants:
 *   P1. What was said to this node alone wins here over what was said to the cluster, which wins over the settings.
 *   P2. What was said to the cluster is kept over a restart; what was said to the node ends with its process.
 *   P3. An older word than the known one is refused, wherever it comes from.
 */
import type { ModeBoard } from "../../actors/coordinator/coordinator.ts";
import { MODES, type Mode } from "../../actors/retriever/search.ts";
import type { FlagControl, FlagState, ModeControl, OperatorScope } from "../../bridge/http/collaborators.ts";
import { NOTHING_SAID, newerWord, nextEpoch, type OperatorWord, type SaidFlag } from "../../cluster/configuration/operator_word.ts";
import { FLAG_KEYS, FLAG_SETTINGS, type FlagKey, type Flags, flagName } from "../../config/flags.ts";
import type { Clock } from "../../runtime/clock.ts";
import { kennelError, toKennelError } from "../../runtime/errors.ts";
import type { Logger } from "../../telemetry/logs.ts";
import type { LiveFlags } from "./live_flags.ts";
import type { WordFile } from "./word_file.ts";

export type WordChange = (known: OperatorWord) => OperatorWord;

/** Where all nodes of a cluster ask for the word. */
export interface SharedWord {
  /** Replaces the word there by what `change` makes of it. Rejects with `unavailable`. @returns what stands there now */
  change(change: WordChange, signal: AbortSignal): Promise<OperatorWord>;
}

export interface OperatorsParts {
  /** This node's name. */
  readonly node: string;
  /** What holds where nobody has said anything. */
  readonly start: Flags;
  readonly live: LiveFlags;
  readonly file: Pick<WordFile, "read" | "write">;
  readonly modes: { readonly board: ModeBoard };
  /** The coordinator's: resolves when the mode holds. */
  readonly force: ModeControl["force"];
  /** Told after flags were switched. */
  readonly onSwitched: (flags: readonly FlagKey[]) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Setting a mode again that did not take waits for nothing but the coordinator's turn. */
const REAPPLY_LIMIT_MS = 5_000;

export class Operators implements ModeControl, FlagControl {
  readonly #parts: OperatorsParts;
  readonly #own: { mode: Mode | null; readonly flags: Map<FlagKey, SaidFlag> } = { mode: null, flags: new Map() };
  #word: OperatorWord = NOTHING_SAID;
  #shared: SharedWord | null = null;
  /** Modes of a later version, which are told of once. */
  #unknownMode: string | null = null;

  constructor(parts: OperatorsParts) {
    this.#parts = parts;
  }

  /** The word that is known here. */
  get word(): OperatorWord {
    return this.#word;
  }

  /** Takes up what was said before the node's last end. Never rejects: without it nothing has been said. */
  async restore(): Promise<void> {
    const { file, logger } = this.#parts;
    try {
      const word = await file.read();
      if (word.epoch > 0)
        logger.warn({ forced_mode: word.mode, flags: [...word.flags.keys()] }, "what operators said before the start holds");
      await this.#take(word);
    } catch (thrown) {
      logger.error({ code: toKennelError(thrown).code }, "what operators said before the start cannot be read: nothing of it holds");
    }
  }

  /** From now on what is said to the cluster is said there. */
  share(shared: SharedWord): void {
    this.#shared = shared;
  }

  /** A word from elsewhere (P3). False: it was no newer one. */
  hear(word: OperatorWord): boolean {
    if (newerWord(this.#word, word) === this.#word) return false;
    const { logger } = this.#parts;
    logger.warn(
      { epoch: word.epoch, peer: word.node, forced_mode: word.mode, flags: [...word.flags.keys()] },
      "operators have said something anew",
    );
    this.#take(word).catch((thrown: unknown) => logger.warn({ code: toKennelError(thrown).code }, "the operators' mode does not hold yet"));
    void this.#keep(word).catch(() => {});
    return true;
  }

  /** Sets the mode again where it did not take. */
  settle(): void {
    if (this.#parts.modes.board.current.forcedMode === this.#mode()) return;
    this.#parts.force(this.#mode(), AbortSignal.timeout(REAPPLY_LIMIT_MS)).catch(() => {}); // the next one tries again
  }

  async force(
    mode: Mode | null,
    signal: AbortSignal,
    scope?: OperatorScope,
  ): Promise<{ readonly mode: Mode; readonly forced_mode: Mode | null }> {
    const isForAll = scope !== "node";
    if (isForAll && this.#word.mode !== mode) await this.#say((word) => ({ ...word, mode }), signal);
    if (!isForAll || (mode === null && scope === undefined)) this.#own.mode = mode;
    return this.#parts.force(this.#mode(), signal);
  }

  list(): readonly FlagState[] {
    return FLAG_KEYS.map((key) => this.read(key));
  }

  read(key: FlagKey): FlagState {
    const own = this.#own.flags.get(key);
    const said = own ?? this.#word.flags.get(flagName(key));
    return {
      flag: flagName(key),
      enabled: this.#parts.live.values[key],
      default: this.#parts.start[key],
      source: own !== undefined ? "node" : said !== undefined ? "cluster" : "settings",
      reason: said === undefined || said.reason === "" ? null : said.reason,
      since: said === undefined ? null : new Date(said.atMs).toISOString(),
      node: said?.node ?? null,
      description: FLAG_SETTINGS[key].description,
    };
  }

  async switchFlag(key: FlagKey, enabled: boolean, reason: string, scope: OperatorScope, signal: AbortSignal): Promise<FlagState> {
    const said: SaidFlag = { enabled, reason, atMs: this.#parts.clock.wallMs(), node: this.#parts.node };
    if (scope === "node") this.#own.flags.set(key, said);
    else await this.#say((word) => ({ ...word, flags: new Map([...word.flags, [flagName(key), said]]) }), signal);
    this.#applyFlags();
    return this.read(key);
  }

  async resetFlag(key: FlagKey, scope: OperatorScope | null, signal: AbortSignal): Promise<FlagState> {
    if (scope !== "node" && this.#word.flags.has(flagName(key))) {
      await this.#say((word) => ({ ...word, flags: new Map([...word.flags].filter(([name]) => name !== flagName(key))) }), signal);
    }
    if (scope !== "cluster") this.#own.flags.delete(key);
    this.#applyFlags();
    return this.read(key);
  }

  #mode(): Mode | null {
    const { mode } = this.#word;
    const known = MODES.find((name) => name === mode) ?? null;
    if (mode !== null && known === null && this.#unknownMode !== mode) {
      this.#unknownMode = mode;
      this.#parts.logger.warn({ forced_mode: mode }, "the operators' mode is of a later version and does nothing on this node");
    }
    return this.#own.mode ?? known;
  }

  /** Of a node that is alone the word is its own file's. */
  async #say(change: WordChange, signal: AbortSignal): Promise<void> {
    const { node, clock } = this.#parts;
    if (this.#shared !== null) {
      const word = await this.#shared.change(change, signal);
      if (newerWord(this.#word, word) === word) await this.#take(word, signal);
      await this.#keep(word).catch(() => {}); // the cluster has it
      return;
    }
    const word = { ...change(this.#word), node, epoch: nextEpoch(clock.wallMs(), this.#word.epoch) };
    await this.#keep(word).catch((cause: unknown) => {
      throw kennelError("unavailable", {
        message: 'It cannot be kept in the data folder; with the scope "node" it holds until the end of the process',
        cause,
      });
    });
    await this.#take(word, signal);
  }

  async #take(word: OperatorWord, signal: AbortSignal = AbortSignal.timeout(REAPPLY_LIMIT_MS)): Promise<void> {
    this.#word = word;
    this.#applyFlags();
    if (this.#parts.modes.board.current.forcedMode !== this.#mode()) await this.#parts.force(this.#mode(), signal);
  }

  async #keep(word: OperatorWord): Promise<void> {
    try {
      await this.#parts.file.write(word);
    } catch (thrown) {
      this.#parts.logger.warn(
        { code: (thrown as NodeJS.ErrnoException).code ?? "internal" },
        "the operators' word was not kept in the data folder",
      );
      throw thrown;
    }
  }

  #applyFlags(): void {
    const { live, start, logger, onSwitched } = this.#parts;
    const wanted = Object.fromEntries(
      FLAG_KEYS.map((key) => [key, (this.#own.flags.get(key) ?? this.#word.flags.get(flagName(key)))?.enabled ?? start[key]]),
    );
    const changed = live.set(wanted as unknown as Flags);
    if (changed.length === 0) return;
    for (const key of changed) logger.warn({ flag: flagName(key), enabled: live.values[key] }, "a flag was switched");
    onSwitched(changed);
  }
}
