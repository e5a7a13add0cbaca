import type { Data, FixedSizeList, Float32, Float64, Int8, Int32, List, Utf8 } from "apache-arrow";
import { arrow } from "./arrow.ts";

/**
 * Arrow columns, buffer by buffer. Arrow's own builder leaves no room for the null of a fixed-size list, and its
 * writer no bytes for booleans that are all null; LanceDB refuses both. So columns are built here, and booleans are bytes.
 */

export function vectorType(dimensions: number): FixedSizeList<Float32> {
  return new arrow.FixedSizeList(dimensions, new arrow.Field("item", new arrow.Float32(), true));
}

export const TEXT_LIST_TYPE = new arrow.List(new arrow.Field("item", new arrow.Utf8(), true));

export function textColumn(values: readonly (string | null)[]): Data<Utf8> {
  const { data, valueOffsets } = encodeTexts(values);
  return arrow.makeData({ type: new arrow.Utf8(), length: values.length, valueOffsets, data, ...validity(values) });
}

/** UTF-8 of all texts one after the other. One call encodes them all; where all are ASCII, their lengths are the bytes' already. */
function encodeTexts(values: readonly (string | null)[]): { readonly data: Uint8Array; readonly valueOffsets: Int32Array } {
  const encoder = new TextEncoder();
  const data = encoder.encode(values.join("")); // null joins as nothing
  const valueOffsets = offsets(values.map((value) => value?.length ?? 0));
  if (valueOffsets.at(-1) === data.length) return { data, valueOffsets };
  const measured = offsets(values.map((value) => (value === null ? 0 : utf8Length(value))));
  if (measured.at(-1) === data.length) return { data, valueOffsets: measured };
  // Two texts that were cut within a surrogate pair have become one character where they meet.
  const parts = values.map((value) => encoder.encode(value ?? ""));
  return { data: Buffer.concat(parts), valueOffsets: offsets(parts.map((part) => part.length)) };
}

/** Bytes of a text in UTF-8; half a surrogate pair counts as the replacement character that stands for it, 3 bytes. */
function utf8Length(text: string): number {
  let bytes = text.length;
  for (let place = 0; place < text.length; place += 1) {
    const unit = text.charCodeAt(place);
    if (unit < 0x80) continue;
    // Each half of a pair counts two of its four bytes.
    bytes += unit < 0x800 || isHalfOfPair(text, place, unit) ? 1 : 2;
  }
  return bytes;
}

function isHalfOfPair(text: string, place: number, unit: number): boolean {
  if (unit >= 0xd800 && unit < 0xdc00) return (text.charCodeAt(place + 1) & 0xfc00) === 0xdc00;
  if (unit >= 0xdc00 && unit < 0xe000) return (text.charCodeAt(place - 1) & 0xfc00) === 0xd800;
  return false;
}

export function integerColumn(values: readonly number[]): Data<Int32> {
  return arrow.makeData({ type: new arrow.Int32(), data: Int32Array.from(values) });
}

export function numberColumn(values: readonly (number | null)[]): Data<Float64> {
  // -0 becomes 0: a sorted index holds them for different numbers.
  const data = Float64Array.from(values, (value) => (value ?? 0) + 0);
  return arrow.makeData({ type: new arrow.Float64(), length: values.length, data, ...validity(values) });
}

export function booleanColumn(values: readonly (boolean | null)[]): Data<Int8> {
  const data = Int8Array.from(values, (value) => (value === true ? 1 : 0));
  return arrow.makeData({ type: new arrow.Int8(), length: values.length, data, ...validity(values) });
}

export function textListColumn(values: readonly (readonly string[])[]): Data<List<Utf8>> {
  const valueOffsets = offsets(values.map((list) => list.length));
  return arrow.makeData({ type: TEXT_LIST_TYPE, length: values.length, nullCount: 0, valueOffsets, child: textColumn(values.flat()) });
}

/** @param values each of `dimensions` components, or null */
export function vectorColumn(values: readonly (Float32Array | null)[], dimensions: number): Data<FixedSizeList<Float32>> {
  const components = new Float32Array(values.length * dimensions);
  for (const [place, vector] of values.entries()) if (vector !== null) components.set(vector, place * dimensions);
  const child = arrow.makeData({ type: new arrow.Float32(), data: components });
  return arrow.makeData({ type: vectorType(dimensions), length: values.length, child, ...validity(values) });
}

/** Where each part begins, and at last where the last one ends. */
function offsets(lengths: readonly number[]): Int32Array {
  const found = new Int32Array(lengths.length + 1);
  for (const [place, length] of lengths.entries()) found[place + 1] = (found[place] ?? 0) + length;
  return found;
}

function validity(values: readonly unknown[]): { readonly nullCount: number; readonly nullBitmap: Uint8Array } {
  const nullCount = values.reduce<number>((count, value) => (value === null ? count + 1 : count), 0);
  const nullBitmap = new Uint8Array(Math.ceil(values.length / 8));
  for (const [place, value] of values.entries()) {
    if (value !== null) nullBitmap[place >> 3] = (nullBitmap[place >> 3] ?? 0) | (1 << (place & 7));
  }
  return { nullCount, nullBitmap };
}
