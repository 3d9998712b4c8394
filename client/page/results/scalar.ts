/** Shows values without parts. */

import { make } from "../dom.js";
import { exactDigits, isExactNumber } from "./exact-numbers.js";
import type { Scalar } from "./shape.js";

/** The value as text. */
export function textOf(value: Scalar | undefined): string {
  if (value === undefined || value === null) return "";
  return isExactNumber(value) ? exactDigits(value) : String(value);
}

/** Whether the value is a number, also one that JavaScript would round. */
export function isNumber(value: Scalar | undefined): boolean {
  return typeof value === "number" || isExactNumber(value);
}

/** The value as an element: a web address as a link, a missing value as a dash. */
export function renderScalar(value: Scalar | undefined): Node {
  if (value === undefined || value === null || value === "") {
    const dash = make("span", "missing", "–");
    dash.title = value === "" ? "empty text" : value === null ? "null" : "no value";
    return dash;
  }
  const text = textOf(value);
  if (typeof value !== "string" || !/^https?:\/\/\S+$/.test(text)) return new Text(text);
  const link = make("a", "", text);
  link.href = text;
  link.target = "_blank";
  link.rel = "noopener noreferrer";
  return link;
}
