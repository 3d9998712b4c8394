/** A table of rows, and the same rows as CSV. */

import { make } from "../dom.js";
import { label } from "../format.js";
import { appendInChunks } from "./chunks.js";
import { isNumber, renderScalar, textOf } from "./scalar.js";
import type { Row, Scalar } from "./shape.js";

/** `name` is the accessible name. */
export function renderTable(
  columns: readonly string[],
  rows: readonly Row[],
  name: string,
  headings: (column: string) => string = label,
): HTMLElement {
  const numeric = new Set(columns.filter((column) => isNumeric(column, rows)));
  const className = (column: string) => (numeric.has(column) ? "number" : "");
  const heads = columns.map((column) => {
    const head = make("th", className(column), headings(column));
    head.scope = "col";
    return head;
  });
  const body = make("tbody", "");
  const more = appendInChunks(
    body,
    rows,
    (row) =>
      make(
        "tr",
        "",
        ...columns.map((column) => make("td", className(column), renderScalar(cell(row, column)))),
      ),
    "row",
  );
  const table = make("table", "", make("thead", "", make("tr", "", ...heads)), body);
  table.setAttribute("aria-label", name);
  const scroller = make("div", "table", table);
  scroller.tabIndex = 0;
  scroller.setAttribute("role", "region");
  scroller.setAttribute("aria-label", name);
  return make("div", "", scroller, more);
}

/** The rows as CSV (RFC 4180) with a line of headings. */
export function csvOf(columns: readonly string[], rows: readonly Row[]): string {
  const lines = rows.map((row) => columns.map((column) => field(cell(row, column))));
  return [columns.map(field), ...lines].map((line) => `${line.join(",")}\r\n`).join("");
}

/** A spreadsheet would run a text that starts with one of these characters as a formula. */
const FORMULA = /^[=+\-@\t\r]/;

function field(value: Scalar | undefined): string {
  const text = textOf(value);
  const safe = typeof value === "string" && FORMULA.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function cell(row: Row, column: string): Scalar | undefined {
  return Object.hasOwn(row, column) ? row[column] : undefined;
}

function isNumeric(column: string, rows: readonly Row[]): boolean {
  const values = rows.map((row) => cell(row, column) ?? null).filter((value) => value !== null);
  return values.length > 0 && values.every((value) => isNumber(value) || isNumberText(value));
}

/** Whether a text is a number as in CSV; a code with leading zeros is not. */
function isNumberText(value: Scalar): boolean {
  return typeof value === "string" && /^-?(0|[1-9]\d*)(\.\d+)?$/.test(value);
}
