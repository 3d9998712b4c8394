/** Decides how JSON is shown: as tables, as a list of fields, or as a tree. */

import { count, label } from "../format.js";
import { isExactNumber } from "./exact-numbers.js";

/** A value without parts. */
export type Scalar = string | number | boolean | null | object;

/** An object whose values have no parts. */
export type Row = Readonly<Record<string, Scalar>>;

/** A part of the results; `title` is null if the results are only this part. */
export type Block =
  | { kind: "empty"; title: string | null }
  | { kind: "text"; title: string | null; text: string }
  | { kind: "fields"; title: string | null; fields: readonly (readonly [string, Scalar])[] }
  | { kind: "table"; title: string | null; columns: readonly string[]; rows: readonly Row[] }
  | { kind: "tree"; title: string | null; value: object };

/** The parts in which results are shown, in the order of their keys. */
export function blocksOf(results: unknown): Block[] {
  const block = blockOf(results, null);
  if (block.kind !== "tree" || Array.isArray(block.value)) return [block];
  const entries = Object.entries(block.value);
  const parts = entries
    .filter(([, value]) => !isScalar(value))
    .map(([key, value]) => blockOf(value, label(key)));
  // Without a table, one tree is easier to read than its pieces.
  if (!parts.some(({ kind }) => kind === "table")) return [block];
  const fields = entries.filter((entry): entry is [string, Scalar] => isScalar(entry[1]));
  return fields.length > 0 ? [{ kind: "fields", title: null, fields }, ...parts] : parts;
}

/** The results in a few words: `8 rooms`, `12 entries`; empty if nothing short describes them. */
export function summaryOf(results: unknown): string {
  if (isTable(results)) return count(results.length, "row");
  if (isScalar(results) || Array.isArray(results)) return "";
  const entries = Object.entries(results as object);
  const tables = entries.filter(([, value]) => isTable(value));
  const numbers = entries.filter(([, value]) => typeof value === "number");
  const [key, value] = (tables.length > 0 ? tables[0] : isRow(results) && numbers[0]) || [];
  if (key === undefined || (tables.length || numbers.length) > 1) return "";
  return counted(tables.length > 0 ? value.length : value, key);
}

/** A number with the name of its key: `2 findings`, `1 finding`. */
function counted(number: number, key: string): string {
  const name = label(key).toLowerCase();
  const singular = name.replace(/ies$/, "y").replace(/([^isu])s$/, "$1");
  return `${new Intl.NumberFormat("en").format(number)} ${number === 1 ? singular : name}`;
}

/** The size of results for their caption: `8 rows, 3 columns`. */
export function sizeOf(blocks: readonly Block[]): string {
  const [block] = blocks;
  if (!block) return "";
  if (blocks.length > 1) return partsOf(blocks);
  switch (block.kind) {
    case "table":
      return `${count(block.rows.length, "row")}, ${count(block.columns.length, "column")}`;
    case "fields":
      return count(block.fields.length, "field");
    case "tree": {
      const parts = Object.keys(block.value).length;
      return count(parts, Array.isArray(block.value) ? "item" : "field");
    }
    default:
      return "";
  }
}

/** The sizes of the tables of results with several parts. */
function partsOf(blocks: readonly Block[]): string {
  return blocks
    .flatMap((block) => (block.kind === "table" ? [block] : []))
    .map(({ title, rows }) => counted(rows.length, title ?? "rows"))
    .join(", ");
}

export function isScalar(value: unknown): value is Scalar {
  return value === null || typeof value !== "object" || isExactNumber(value);
}

function blockOf(value: unknown, title: string | null): Block {
  if (isScalar(value)) return { kind: "text", title, text: String(value) };
  const object = value as object;
  if (Object.keys(object).length === 0) return { kind: "empty", title };
  if (isTable(object)) return { kind: "table", title, columns: columnsOf(object), rows: object };
  if (isRow(object)) return { kind: "fields", title, fields: Object.entries(object) };
  return { kind: "tree", title, value: object };
}

function isTable(value: unknown): value is readonly Row[] {
  return Array.isArray(value) && value.length > 0 && value.every(isRow);
}

function isRow(value: unknown): value is Row {
  if (isScalar(value) || Array.isArray(value)) return false;
  const values = Object.values(value as object);
  return values.length > 0 && values.every(isScalar);
}

/** The keys of all rows, in the order in which they first appear. */
function columnsOf(rows: readonly Row[]): string[] {
  const columns = new Set<string>();
  for (const row of rows) for (const key of Object.keys(row)) columns.add(key);
  return [...columns];
}
