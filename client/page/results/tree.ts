/** JSON as a tree whose branches open and close. Closed branches are not rendered. */

import { make } from "../dom.js";
import { count } from "../format.js";
import { appendInChunks } from "./chunks.js";
import { exactDigits, isExactNumber } from "./exact-numbers.js";
import { isScalar } from "./shape.js";

/** Branches are open at first as long as the tree has at most this many lines. */
const OPEN_LINES = 60;

export function renderTree(value: object): HTMLElement {
  const budget = { lines: OPEN_LINES };
  const tree = make("div", "tree");
  appendChildren(tree, value, openBranches(value, budget));
  return tree;
}

/** The branches to open at first, level by level. */
function openBranches(root: object, budget: { lines: number }): ReadonlySet<object> {
  const open = new Set<object>();
  let level = [root];
  while (level.length > 0) {
    const below: object[] = [];
    for (const branch of level) {
      const children = Object.values(branch);
      budget.lines -= children.length;
      if (budget.lines < 0 && branch !== root) return open;
      open.add(branch);
      below.push(...children.filter((child) => !isScalar(child)));
    }
    level = below;
  }
  return open;
}

function appendChildren(into: HTMLElement, value: object, open: ReadonlySet<object>): void {
  const list = make("ul", "");
  const isArray = Array.isArray(value);
  const more = appendInChunks(
    list,
    Object.entries(value),
    ([key, child]) => make("li", "", renderNode(key, child, isArray, open)),
    isArray ? "item" : "field",
  );
  into.append(list, more);
}

function renderNode(
  key: string,
  value: unknown,
  isItem: boolean,
  open: ReadonlySet<object>,
): HTMLElement {
  const name = make("span", isItem ? "tree-index" : "tree-key", key);
  if (isScalar(value)) return make("div", "tree-leaf", name, renderLeaf(value));
  const branch = value as object;
  const size = Object.keys(branch).length;
  const what = count(size, Array.isArray(branch) ? "item" : "field");
  if (size === 0) {
    const empty = make("span", "tree-size", Array.isArray(branch) ? "[ ]" : "{ }");
    return make("div", "tree-leaf", name, empty);
  }
  const summary = make("summary", "", name, make("span", "tree-size", what));
  const details = make("details", "", summary);
  const fill = () => {
    if (details.open && details.children.length === 1) appendChildren(details, branch, open);
  };
  details.open = open.has(branch);
  fill();
  details.addEventListener("toggle", fill);
  return details;
}

function renderLeaf(value: unknown): HTMLElement {
  if (isExactNumber(value)) return make("span", "tree-number", exactDigits(value));
  return make("span", `tree-${value === null ? "null" : typeof value}`, JSON.stringify(value));
}
