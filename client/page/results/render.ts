/** Results as tables, fields or a tree, with buttons to copy and download them. */

import { make } from "../dom.js";
import { renderFields } from "./fields.js";
import { copyButton, downloadButton } from "./save.js";
import { type Block, blocksOf, sizeOf } from "./shape.js";
import { csvOf, renderTable } from "./table.js";
import { renderTree } from "./tree.js";

export interface ResultsOptions {
  /** Name of the downloaded files, without their extension; `results` without it. */
  readonly fileName?: string;
}

/** Renders any JSON, in the form that fits its shape. */
export function renderResults(results: unknown, options: ResultsOptions = {}): HTMLElement {
  const { fileName = "results" } = options;
  const blocks = blocksOf(results);
  const json = () => JSON.stringify(results, null, 2);
  const tables = blocks.filter((block) => block.kind === "table");
  const [onlyTable] = tables.length === 1 ? tables : [];
  const head = make(
    "div",
    "results-head",
    make("p", "results-size", sizeOf(blocks)),
    make(
      "div",
      "results-actions",
      copyButton(json),
      downloadButton("JSON", `${fileName}.json`, "application/json", json),
      ...(onlyTable ? [csvButton(onlyTable, fileName)] : []),
    ),
  );
  const parts = blocks.map((block) => {
    const content = renderBlock(block);
    if (block.title === null) return content;
    const title = make("h2", "", block.title);
    const isOneOfMany = block.kind === "table" && block !== onlyTable;
    const save = isOneOfMany ? [csvButton(block, `${fileName} ${block.title}`)] : [];
    return make("section", "results-part", make("div", "part-head", title, ...save), content);
  });
  return make("div", "results", head, ...parts);
}

/** Renders a part of the results without its title. */
export function renderBlock(block: Block): HTMLElement {
  switch (block.kind) {
    case "table":
      return renderTable(block.columns, block.rows, block.title ?? "Results");
    case "fields":
      return renderFields(block.fields);
    case "tree":
      return renderTree(block.value);
    case "text":
      return make("p", "results-text", block.text);
    case "empty":
      return make("p", "empty", "Empty");
  }
}

function csvButton(block: Block & { kind: "table" }, fileName: string): HTMLElement {
  const csv = () => csvOf(block.columns, block.rows);
  return downloadButton("CSV", `${fileName}.csv`, "text/csv", csv, block.title ?? "");
}
