import { Parser } from "htmlparser2";
import type { Block } from "../chunking/block.ts";
import { BlockList, type ParsedText, type ParseLimits } from "./parsed_text.ts";

/** Elements whose text nobody reads. */
const SILENT = new Set(["script", "style", "noscript", "template", "svg", "math", "iframe", "object", "nav", "form", "button", "select"]);
/** Elements that end the block before them. */
const BREAKS = new Set([
  ..."address article aside blockquote body dd details div dl dt fieldset figcaption figure footer header hr html li main ol p".split(" "),
  ..."pre section table tr ul h1 h2 h3 h4 h5 h6 summary caption thead tbody".split(" "),
]);
const HEADING = /^h([1-6])$/;

/** Streams through the markup; depth costs nothing, since no tree is built. */
export function parseHtml(html: string, limits: ParseLimits): ParsedText {
  const reader = new HtmlReader(limits);
  const parser = new Parser(
    {
      onopentagname: (name) => reader.open(name),
      onclosetag: (name) => reader.close(name),
      ontext: (text) => reader.text(text),
    },
    { decodeEntities: true, lowerCaseTags: true },
  );
  parser.write(html);
  parser.end();
  return reader.finish();
}

class HtmlReader {
  readonly #list: BlockList;
  #title = "";
  #open: { kind: Block["kind"]; level: number } = { kind: "paragraph", level: 0 };
  #text = "";
  #silence = 0;
  #isTitle = false;
  #preformatted = 0;

  constructor(limits: ParseLimits) {
    this.#list = new BlockList(limits);
  }

  open(name: string): void {
    if (SILENT.has(name)) this.#silence += 1;
    if (name === "title") this.#isTitle = true;
    if (name === "br") this.#text += "\n";
    if (name === "td" || name === "th") this.#text += this.#text.trim() === "" ? "" : " | ";
    if (!BREAKS.has(name)) return;
    this.#flush();
    const level = Number(HEADING.exec(name)?.[1] ?? 0);
    if (level > 0) this.#open = { kind: "heading", level };
    else if (name === "li") this.#open = { kind: "list", level: 0 };
    else if (name === "tr") this.#open = { kind: "table", level: 0 };
    else if (name === "pre") this.#open = { kind: "code", level: 0 };
    if (name === "pre") this.#preformatted += 1;
  }

  close(name: string): void {
    if (SILENT.has(name)) this.#silence = Math.max(0, this.#silence - 1);
    if (name === "title") this.#isTitle = false;
    if (!BREAKS.has(name)) return;
    this.#flush();
    if (name === "pre") this.#preformatted = Math.max(0, this.#preformatted - 1);
  }

  text(text: string): void {
    if (this.#isTitle) this.#title += text;
    else if (this.#silence === 0) this.#text += this.#preformatted > 0 ? text : text.replace(/\s+/gu, " ");
  }

  finish(): ParsedText {
    this.#flush();
    const title = this.#title.replace(/\s+/gu, " ").trim();
    return { title: title === "" ? this.#list.firstTitle : title, blocks: this.#list.blocks };
  }

  #flush(): void {
    const { kind, level } = this.#open;
    const text = kind === "heading" ? this.#text.replace(/\s+/gu, " ") : this.#text;
    this.#list.add(kind, kind === "list" && text.trim() !== "" ? `- ${text.trim()}` : text, level);
    this.#text = "";
    this.#open = this.#preformatted > 0 ? { kind: "code", level: 0 } : { kind: "paragraph", level: 0 };
  }
}
