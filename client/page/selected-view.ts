/** Selects the product's view or the general view by the input rules, and applies its texts. */

import product from "#product";
import type { WatchedStage } from "../src/index.js";
import { label } from "./format.js";
import type { InputRules } from "./input-rules.js";
import type { ProductView } from "./product.js";
import { summaryOf } from "./results/shape.js";

let selected: ProductView = product;

/** Selects the view for these input rules. */
export function selectView(rules: InputRules): ProductView {
  selected = product.input === undefined || product.input === rules.name ? product : {};
  return selected;
}

/** The selected view: the product's, or one without any member. */
export function selectedView(): ProductView {
  return selected;
}

/** The label of a stage. */
export function stageName(stage: string): string {
  const labels = selected.stages ?? {};
  return (Object.hasOwn(labels, stage) && labels[stage]) || label(stage);
}

/** A short summary of a stage's results; empty if there is none. */
export function summarize({ results }: Pick<WatchedStage, "results">): string {
  return selected.summarize?.(results) || summaryOf(results);
}

/** Sets the title of the window. */
export function setTitle(words: string): void {
  const name = productName();
  document.title = words ? `${words} · ${name}` : name;
}

export function productName(): string {
  return selected.name ?? "Stagecast";
}
