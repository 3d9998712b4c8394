/** Previews an input: a picture, rows of CSV, JSON, or text; for other types only its facts. */

import { make } from "../dom.js";
import { count, size } from "../format.js";
import { isJson, isTextual } from "../input-rules.js";
import { renderFields } from "../results/fields.js";
import { renderBlock } from "../results/render.js";
import { blocksOf } from "../results/shape.js";
import { renderTable } from "../results/table.js";
import { parseCsv } from "./csv.js";

/** The preview of a text reads at most this many bytes. */
const MOST_BYTES = 256 * 1024;

/** `pictureUrl` is an object URL of the input, for a picture. */
export function previewInput(input: File, pictureUrl: () => string): HTMLElement {
  const preview = make("div", "preview");
  if (input.type.startsWith("image/")) {
    const picture = make("img", "");
    picture.alt = `The input ${input.name}`;
    picture.addEventListener("error", () => preview.replaceChildren(factsOf(input)));
    picture.src = pictureUrl();
    preview.append(picture);
  } else if (isTextual(input.type)) {
    void input
      .slice(0, MOST_BYTES)
      .text()
      .then((text) => preview.append(...previewText(text, input)));
  } else {
    preview.append(factsOf(input));
  }
  return preview;
}

function previewText(text: string, input: File): HTMLElement[] {
  const isWhole = input.size <= MOST_BYTES;
  const about = make("p", "results-size", `${input.name}, ${size(input.size)}`);
  if (!isWhole) about.append(`; the first ${size(MOST_BYTES)} are shown`);
  const json = isWhole && isJson(input.type) ? parseJson(text) : undefined;
  if (json !== undefined) return [about, ...blocksOf(json).map(renderBlock)];
  const separator = { "text/csv": ",", "text/tab-separated-values": "\t" }[input.type];
  const { columns, rows } = separator ? parseCsv(text, separator) : { columns: [], rows: [] };
  if (columns.length > 1 && rows.length > 0) {
    if (isWhole) about.append(`, ${count(rows.length, "row")}`);
    return [about, renderTable(columns, rows, "Input", (column) => column)];
  }
  const code = make("pre", "code", text);
  code.tabIndex = 0;
  return [about, code];
}

function factsOf(input: File): HTMLElement {
  const facts: [string, string][] = [
    ["Name", input.name],
    ["Type", input.type || "unknown"],
    ["Size", size(input.size)],
  ];
  return renderFields(facts);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
