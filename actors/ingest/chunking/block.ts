/** What parsing makes of a document, in reading order. */
export interface Block {
  readonly kind: "heading" | "paragraph" | "list" | "table" | "code";
  /** 1..6 for a heading, 0 for everything else. */
  readonly level: number;
  /** Without leading or trailing white space; never empty. */
  readonly text: string;
}
