import { open, readFile, rename, rm } from "node:fs/promises";
import { z } from "zod";
import { encodeWord, NOTHING_SAID, type OperatorWord, parseWord } from "../../cluster/configuration/operator_word.ts";

const keptWord = z.object({ owner: z.string(), word: z.unknown() });

/** Keeps the operators' last word in the data folder, so that it holds after a restart, also while nobody else can be asked. */
export class WordFile {
  readonly #path: string;
  readonly #owner: string;
  readonly #draft: string;
  #writing: Promise<void> = Promise.resolve();

  /**
   * @param path in a folder that this process owns
   * @param owner the cluster that the word was said to: what was said to another one, or to this node while it was alone, is
   *   not carried into it
   */
  constructor(path: string, owner: string) {
    this.#path = path;
    this.#owner = owner;
    this.#draft = `${path}.draft`;
  }

  /** Nothing was said where there is no file. Rejects where there is one that cannot be read or was not written by Kennel. */
  async read(): Promise<OperatorWord> {
    let text: string;
    try {
      text = await readFile(this.#path, "utf8");
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return NOTHING_SAID;
      throw thrown;
    }
    const kept = keptWord.parse(JSON.parse(text));
    if (kept.owner !== this.#owner) return NOTHING_SAID;
    const word = parseWord(JSON.stringify(kept.word));
    if (word === null) throw new SyntaxError("The file of the operators' word is damaged");
    return word;
  }

  /** Whole or not at all, one after another in the order of the calls. Resolves when it is on disk. */
  write(word: OperatorWord): Promise<void> {
    const written = this.#writing.then(() => this.#replace(JSON.stringify({ owner: this.#owner, word: JSON.parse(encodeWord(word)) })));
    this.#writing = written.catch(() => {});
    return written;
  }

  async #replace(text: string): Promise<void> {
    try {
      const file = await open(this.#draft, "w");
      try {
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(this.#draft, this.#path);
    } catch (thrown) {
      await rm(this.#draft, { force: true });
      throw thrown;
    }
  }
}
