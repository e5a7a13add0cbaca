/**
 * What all nodes of a cluster are to know beside the document store: what operators have said, what the leader has told, and
 * that collections and aliases have changed. All of it stands in one bucket of JetStream's, which each node follows.
 *
 * Invariants:
 *   S1. What stands there of a collection or an alias is no truth: where it differs from what this node knows, the document
 *       store is read.
 *   S2. Of what operators have said and what leaders have told the newest holds, by its epoch; a node that holds a newer one
 *       than stands there writes it there.
 *   S3. Each look at everything (`rescan`) makes up for what was missed or could not be written before.
 */
import type { Catalog } from "../../actors/document_store/catalog.ts";
import { isLevel, parseAlias, parseCollection } from "../../cluster/configuration/desired_state.ts";
import {
  changedWord,
  compareWord,
  encodeWord,
  NOTHING_SAID,
  type OperatorWord,
  parseWord,
} from "../../cluster/configuration/operator_word.ts";
import { type Control, newerControl } from "../../cluster/lease/control.ts";
import { type BucketEntry, ConfigBucket, type ConfigBucketParts } from "../../cluster/nats/config_bucket.ts";
import { encodeControl, parseControl } from "../../cluster/nats/wire.ts";
import type { Clock, Timer } from "../../runtime/clock.ts";
import { kennelError } from "../../runtime/errors.ts";
import type { Logger } from "../../telemetry/logs.ts";
import type { SharedWord, WordChange } from "../operators/operators.ts";
import { ALIAS_KEY, COLLECTION_KEY, DesiredEntries } from "./desired_entries.ts";

export interface SharedConfigurationParts {
  readonly link: ConfigBucketParts["link"];
  /** What nodes with the same stores call them. */
  readonly stores: string;
  readonly node: string;
  readonly catalog: Pick<Catalog, "isLoaded" | "resolve" | "list" | "alias" | "aliases">;
  readonly operators: { readonly word: OperatorWord; hear(word: OperatorWord): boolean; settle(): void };
  /** Reads what has changed from the document store. */
  readonly sync: { changed(collection: string, isWanted?: () => boolean): void; aliasesChanged(): void };
  /** As the leader's word that comes by itself. */
  readonly hearControl: (control: Control) => void;
  readonly isLeader: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly count: (event: string) => void;
  /** Pause between two looks at everything. */
  readonly rescanMs?: number;
  readonly checkMs?: number;
}

const WORD_KEY = "operators";
const CONTROL_KEY = "control";
const RESCAN_MS = 30_000;
/** Changes of one collection within this time are written once. */
const WRITE_AFTER_MS = 200;
/** Names that wait to be written; beyond it the leader's next look finds them. */
const MAX_WAITING = 10_000;
const MAX_WRITES_AT_ONCE = 16;
/** Entries that one look mends. */
const MAX_MENDED = 2_000;
/** Deleted keys that one look forgets. */
const MAX_TIDIED = 200;
const MAX_ATTEMPTS = 5;
const ATTEMPT_PAUSE_MS = 50;
/** Time after which nobody needs to hear that a key was deleted. */
const DELETED_MS = 3_600_000;

export class SharedConfiguration implements SharedWord {
  readonly #parts: SharedConfigurationParts;
  readonly #bucket: ConfigBucket;
  readonly #stop = new AbortController();
  readonly #desired: DesiredEntries;
  /** As it stands there. */
  readonly #entries = new Map<string, string>();
  #control: { readonly told: Control | null; readonly revision: number } = { told: null, revision: 0 };
  readonly #waiting = new Set<string>();
  #writeTimer: Timer | null = null;
  #isWriting = false;
  #rescanTimer: Timer | null = null;
  readonly #deleted = new Map<string, { readonly revision: number; readonly sinceMs: number }>();
  #keptControl: { readonly epoch: number; readonly content: string } = { epoch: 0, content: "" };

  constructor(parts: SharedConfigurationParts) {
    this.#parts = parts;
    this.#desired = new DesiredEntries(parts.node, parts.catalog);
    this.#bucket = new ConfigBucket({
      ...parts,
      prefix: parts.stores,
      follower: {
        begins: () => this.#forget(),
        entry: (key, entry) => this.#hear(key, entry),
        level: () => this.rescanSoon(),
      },
    });
  }

  start(): void {
    this.#bucket.start();
    this.#schedule();
  }

  stop(): void {
    this.#stop.abort(new Error("The node stops"));
    this.#bucket.stop();
    this.#writeTimer?.cancel();
    this.#rescanTimer?.cancel();
  }

  /** A part of `/v1/status`. */
  describe(): object {
    const { link, operators } = this.#parts;
    const state = this.#bucket.isLevel ? "level" : link.isConnected ? "opening" : "away";
    return { state, operators_epoch: operators.word.epoch, keys: this.#entries.size };
  }

  /** This node has changed a collection, or what it holds. */
  collectionChanged(name: string): void {
    this.#writeSoon(`collections.${name}`);
  }

  /** This node has moved or deleted an alias. */
  aliasChanged(alias: string): void {
    this.#writeSoon(`aliases.${alias}`);
  }

  /** The leader's word of this node, for those who come later. Only what differs is written, and never over a newer one. */
  keepControl(control: Control): void {
    const content = encodeControl({ ...control, sequence: 0 });
    if (this.#keptControl.epoch === control.epoch && this.#keptControl.content === content) return;
    const { told, revision } = this.#control;
    if (told !== null && newerControl(told, control) === told) return;
    this.#keptControl = { epoch: control.epoch, content };
    void this.#bucket.write(CONTROL_KEY, encodeControl(control), revision).then((outcome) => {
      if (outcome.kind === "written") this.#control = { told: control, revision: outcome.revision };
      else this.#keptControl = { epoch: 0, content: "" }; // said again with the next word
    });
  }

  async change(change: WordChange, signal: AbortSignal): Promise<OperatorWord> {
    const { operators, node, clock, count } = this.#parts;
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      signal.throwIfAborted();
      const there = await this.#bucket.read(WORD_KEY).catch((cause: unknown) => {
        throw unreachable(cause);
      });
      const said = (there.text === null ? null : parseWord(there.text)) ?? NOTHING_SAID;
      const word = changedWord(operators.word, said, change, { node, wallMs: clock.wallMs() });
      const outcome = await this.#bucket.write(WORD_KEY, encodeWord(word), there.text === null ? 0 : there.revision);
      if (outcome.kind === "written") return word;
      if (outcome.kind === "failed") throw unreachable(null);
      count("operators_overtaken");
      await clock.sleep(ATTEMPT_PAUSE_MS * (attempt + 1), signal);
    }
    throw kennelError("unavailable", { message: "Others say something to the cluster at the same time; try again" });
  }

  /** Compares everything (S3). Never rejects. */
  async rescan(): Promise<void> {
    this.#parts.operators.settle();
    if (!this.#bucket.isLevel) return;
    await this.#compareWord();
    if (!this.#parts.isLeader()) return;
    if (this.#parts.catalog.isLoaded) this.#mend();
    await this.#tidy();
  }

  /** There is a reason to compare everything now. */
  rescanSoon(): void {
    if (this.#stop.signal.aborted) return;
    this.#rescanTimer?.cancel();
    this.#rescanTimer = this.#parts.clock.setTimer(0, () => this.#rescanNow());
  }

  #hear(key: string, entry: BucketEntry): void {
    if (key === WORD_KEY) this.#hearWord(entry);
    else if (key === CONTROL_KEY) this.#hearControl(entry);
    else this.#hearName(key, entry);
  }

  #hearName(key: string, { text, revision }: BucketEntry): void {
    this.#deleted.delete(key);
    if (text !== null) this.#entries.set(key, text);
    else {
      this.#entries.delete(key);
      this.#deleted.set(key, { revision, sinceMs: this.#parts.clock.monotonicMs() });
    }
    const collection = COLLECTION_KEY.exec(key)?.[1];
    const alias = ALIAS_KEY.exec(key)?.[1];
    if (collection !== undefined) this.#hearCollection(collection, text);
    else if (alias !== undefined) this.#hearAlias(alias, text);
  }

  #hearWord({ text }: BucketEntry): void {
    const { operators, count, logger } = this.#parts;
    const word = text === null ? NOTHING_SAID : parseWord(text);
    if (word === null) {
      count("malformed_operators");
      logger.error("what stands in the bucket for the operators' word was not written by Kennel and is not heard");
      return;
    }
    if (!operators.hear(word) && word.epoch !== operators.word.epoch) {
      if (text !== null) count("older_operators");
      this.rescanSoon(); // S2
    }
  }

  #hearControl({ text, revision }: BucketEntry): void {
    const control = text === null ? null : parseControl(text);
    if (control === null && text !== null) this.#parts.count("malformed_control");
    this.#control = { told: control, revision: text === null ? 0 : revision };
    if (control !== null) this.#parts.hearControl(control);
  }

  /** S1 */
  #hearCollection(name: string, text: string | null): void {
    const { catalog, sync, count } = this.#parts;
    if (!catalog.isLoaded) return; // the reading finds it
    const told = text === null ? null : parseCollection(text);
    if (text !== null && told === null) {
      count("malformed_collections");
      sync.changed(name);
      return;
    }
    const isBehind = () => {
      const known = this.#desired.ofCollection(name);
      return told === null ? known !== null : !isLevel(known, told);
    };
    if (isBehind()) sync.changed(name, isBehind);
  }

  #hearAlias(alias: string, text: string | null): void {
    const { catalog, sync, count } = this.#parts;
    if (!catalog.isLoaded) return;
    const known = catalog.alias(alias);
    const told = text === null ? null : parseAlias(text);
    if (text !== null && told === null) count("malformed_aliases");
    if (known?.collection !== told?.collection || (known?.version ?? null) !== (told?.version ?? null)) sync.aliasesChanged();
  }

  /** S2 */
  async #compareWord(): Promise<void> {
    const { operators, count, logger } = this.#parts;
    const there = await this.#bucket.read(WORD_KEY).catch(() => null); // another look follows
    if (there === null) return;
    const { word } = operators;
    const said = (there.text === null ? null : parseWord(there.text)) ?? NOTHING_SAID;
    if (compareWord(word, said) === "hear") return void operators.hear(said);
    const outcome = await this.#bucket.write(WORD_KEY, encodeWord(word), there.text === null ? 0 : there.revision);
    if (outcome.kind !== "written") return; // another node was quicker, or the next look tries again
    count("operators_restored");
    logger.warn(
      { epoch: word.epoch },
      "the operators' word was gone from the bucket, or an older one stood there: this node has written it again",
    );
  }

  /** As the leader: what stands there is brought level with the catalog, which is level with the document store. */
  #mend(): void {
    const wrong = this.#desired.wrong(this.#entries, MAX_MENDED);
    for (const key of wrong) this.#writeSoon(key);
    if (wrong.length > 0) this.#parts.count("configuration_mended");
  }

  /** Nobody needs to hear for ever that there is no key any more. */
  async #tidy(): Promise<void> {
    const before = this.#parts.clock.monotonicMs() - DELETED_MS;
    const old = [...this.#deleted].filter(([, { sinceMs }]) => sinceMs <= before).slice(0, MAX_TIDIED);
    for (const [key, { revision }] of old) {
      this.#deleted.delete(key);
      await this.#bucket.forget(key, revision);
    }
  }

  #writeSoon(key: string): void {
    if (this.#stop.signal.aborted) return;
    if (this.#waiting.size < MAX_WAITING) this.#waiting.add(key);
    this.#writeTimer ??= this.#parts.clock.setTimer(WRITE_AFTER_MS, () => {
      this.#writeTimer = null;
      void this.#write();
    });
  }

  /** What cannot be written now is written by the leader's next look. */
  async #write(): Promise<void> {
    if (this.#isWriting) return;
    this.#isWriting = true;
    try {
      while (this.#waiting.size > 0 && this.#bucket.isLevel && this.#parts.catalog.isLoaded && !this.#stop.signal.aborted) {
        const keys = [...this.#waiting].slice(0, MAX_WRITES_AT_ONCE);
        for (const key of keys) this.#waiting.delete(key);
        await Promise.all(keys.map((key) => this.#writeOne(key)));
      }
    } finally {
      this.#isWriting = false;
    }
  }

  async #writeOne(key: string): Promise<void> {
    const text = this.#desired.textOf(key);
    if (text === (this.#entries.get(key) ?? null)) return;
    if (text !== null) await this.#bucket.write(key, text, null);
    else await this.#bucket.delete(key);
  }

  #forget(): void {
    this.#entries.clear();
    this.#deleted.clear();
    this.#control = { told: null, revision: 0 };
    this.#keptControl = { epoch: 0, content: "" };
  }

  #schedule(): void {
    this.#rescanTimer?.cancel();
    this.#rescanTimer = this.#parts.clock.setTimer(this.#parts.rescanMs ?? RESCAN_MS, () => this.#rescanNow());
  }

  #rescanNow(): void {
    void this.rescan().finally(() => {
      if (!this.#stop.signal.aborted) this.#schedule();
    });
    void this.#write();
  }
}

function unreachable(cause: unknown) {
  return kennelError("unavailable", {
    message:
      'The cluster cannot be told now, since its bucket in JetStream does not answer; with the scope "node" it holds on this node alone',
    cause,
  });
}
