/** A list of names and values. */

import { make } from "../dom.js";
import { label } from "../format.js";
import { renderScalar } from "./scalar.js";
import type { Scalar } from "./shape.js";

export function renderFields(
  fields: readonly (readonly [string, Scalar])[],
  names: (name: string) => string = label,
): HTMLElement {
  const lines = fields.map(([name, value]) =>
    make("div", "", make("dt", "", names(name)), make("dd", "", renderScalar(value))),
  );
  return make("dl", "fields", ...lines);
}
