/**
 * Long JSON bodies of one list, `{"documents":[…]}`, without holding up the event loop: parsing 30 MiB in one call takes a
 * quarter of a second. The list's items are found by their brackets and parsed one by one, with pauses in between.
 */
import { refuse } from "../schema/validate.ts";
import { parseJson } from "./body.ts";

/** Bodies below this are parsed in one call: about 2 ms. */
const SMALL_BYTES = 262_144;
/** Bytes looked at before other requests get their turn: about 2 ms. */
const BYTES_PER_TURN = 262_144;

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;

export type Pause = () => Promise<void>;

export interface JsonListBody {
  /** The body with its list left empty, or whole where it is small or not of this form. */
  readonly body: unknown;
  /** The items, not parsed yet; null: they are in `body`. */
  readonly items: readonly Uint8Array[] | null;
}

/** Throws what `parseJson` throws. @param pause lets other work run; rejects to end early */
export async function splitJsonList(bytes: Uint8Array, maxDepth: number, pause: Pause): Promise<JsonListBody> {
  if (bytes.length < SMALL_BYTES) return { body: parseJson(bytes, maxDepth, ""), items: null };
  const list = await findList(bytes, maxDepth, pause);
  if (list === null) return { body: parseJson(bytes, maxDepth, ""), items: null };
  const around = Buffer.concat([bytes.subarray(0, list.start), bytes.subarray(list.end)]);
  const edges = [list.start - 1, ...list.commas, list.end];
  const items = edges.slice(1).map((end, place) => bytes.subarray((edges[place] as number) + 1, end));
  const isEmpty = items.length === 1 && isBlank(items[0] as Uint8Array);
  return { body: parseJson(around, maxDepth, ""), items: isEmpty ? [] : items };
}

interface FoundList {
  /** First byte after `[`. */
  readonly start: number;
  /** Place of `]`. */
  readonly end: number;
  /** Commas between items. */
  readonly commas: readonly number[];
}

/** The one list right below the outermost object; null: there is none, or more than one. */
async function findList(bytes: Uint8Array, maxDepth: number, pause: Pause): Promise<FoundList | null> {
  let depth = 0;
  let isInString = false;
  let start = -1;
  let end = -1;
  const commas: number[] = [];
  for (let place = 0, turnEnd = BYTES_PER_TURN; place < bytes.length; place++) {
    if (place >= turnEnd) {
      await pause();
      turnEnd = place + BYTES_PER_TURN;
    }
    const byte = bytes[place];
    if (isInString) {
      if (byte === BACKSLASH) place += 1;
      else if (byte === QUOTE) isInString = false;
    } else if (byte === QUOTE) isInString = true;
    else if (byte === COMMA) {
      if (depth === 2 && start !== -1 && end === -1) commas.push(place);
    } else if (byte === 0x5b || byte === 0x7b) {
      depth += 1;
      if (depth > maxDepth) throw refuse("", `is nested deeper than ${maxDepth} levels`, `at most ${maxDepth} levels of lists and objects`);
      if (depth === 1 && byte === 0x5b) return null;
      if (depth === 2) {
        if (byte === 0x7b || start !== -1) return null;
        start = place + 1;
      }
    } else if (byte === 0x5d || byte === 0x7d) {
      if (depth === 2 && end === -1) {
        if (byte === 0x7d) return null;
        end = place;
      }
      depth -= 1;
    }
  }
  return end === -1 ? null : { start, end, commas };
}

function isBlank(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09);
}
