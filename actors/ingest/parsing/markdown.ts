import type { List, Nodes, RootContent, TableRow } from "mdast";
import { fromMarkdown } from "mdast-util-from-markdown";
import { gfmFromMarkdown } from "mdast-util-gfm";
import { gfm } from "micromark-extension-gfm";
import { parseHtml } from "./html.ts";
import { BlockList, type ParsedText, ParseFailure, type ParseLimits } from "./parsed_text.ts";

/** Block quotes and lists nested deeper are refused: the parser's work and our recursion grow with the depth. */
const MAX_DEPTH = 64;

export function parseMarkdown(text: string, limits: ParseLimits): ParsedText {
  if (text.length > limits.maxTextCharacters) throw new ParseFailure(`The text is longer than ${limits.maxTextCharacters} characters`);
  const body = text.replace(/^---\r?\n[\s\S]*?\r?\n---\r?\n/u, ""); // front matter
  const tree = fromMarkdown(body, { extensions: [gfm()], mdastExtensions: [gfmFromMarkdown()] });
  const list = new BlockList(limits);
  for (const node of tree.children) addNode(node, list, limits, 0);
  return { title: list.firstTitle, blocks: list.blocks };
}

function addNode(node: RootContent, list: BlockList, limits: ParseLimits, depth: number): void {
  if (depth > MAX_DEPTH) throw new ParseFailure(`Block quotes are nested deeper than ${MAX_DEPTH}`);
  if (node.type === "heading") list.add("heading", inline(node, 0), node.depth);
  else if (node.type === "list") list.add("list", listLines(node, 0).join("\n"));
  else if (node.type === "code") list.add("code", node.value);
  else if (node.type === "table") list.add("table", node.children.map(tableRow).join("\n"));
  else if (node.type === "blockquote") {
    for (const child of node.children) addNode(child, list, limits, depth + 1);
  } else if (node.type === "html") {
    for (const block of parseHtml(node.value, limits).blocks) list.add(block.kind, block.text, block.level);
  } else if (node.type !== "definition" && node.type !== "thematicBreak") list.add("paragraph", inline(node, 0));
}

function tableRow(row: TableRow): string {
  return row.children.map((cell) => inline(cell, 0)).join(" | ");
}

function listLines(list: List, depth: number): string[] {
  if (depth > MAX_DEPTH) throw new ParseFailure(`Lists are nested deeper than ${MAX_DEPTH}`);
  const lines: string[] = [];
  list.children.forEach((item, index) => {
    const mark = list.ordered === true ? `${(list.start ?? 1) + index}.` : "-";
    const own: string[] = [];
    const nested: string[] = [];
    for (const child of item.children) {
      if (child.type === "list") nested.push(...listLines(child, depth + 1));
      else own.push(inline(child, 0));
    }
    lines.push(`${"  ".repeat(depth)}${mark} ${own.join(" ")}`, ...nested);
  });
  return lines;
}

/** The text of a node without its marks; images give their alternative text. */
function inline(node: Nodes, depth: number): string {
  if (depth > MAX_DEPTH) throw new ParseFailure(`Text is nested deeper than ${MAX_DEPTH}`);
  if (node.type === "text") return node.value.replace(/\s*\n\s*/gu, " "); // a soft break is a space
  if (node.type === "inlineCode" || node.type === "code") return node.value;
  if (node.type === "break") return "\n";
  if (node.type === "image" || node.type === "imageReference") return node.alt ?? "";
  if (node.type === "html") return "";
  if (!("children" in node)) return "";
  return node.children.map((child) => inline(child, depth + 1)).join("");
}
