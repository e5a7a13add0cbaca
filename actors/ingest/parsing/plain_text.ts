import { BlockList, type ParsedText, type ParseLimits } from "./parsed_text.ts";

/** Paragraphs lie between blank lines; nothing else is read into plain text. */
export function parsePlainText(text: string, limits: ParseLimits): ParsedText {
  const list = new BlockList(limits);
  for (const paragraph of text.split(/\r?\n[^\S\n]*\r?\n/u)) list.add("paragraph", paragraph);
  return { title: "", blocks: list.blocks };
}
