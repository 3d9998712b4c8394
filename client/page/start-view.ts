/** The start view: texts from the input rules, the file picker, the drop zone and the text editor. */

import { at, make } from "./dom.js";
import { sentence } from "./format.js";
import {
  acceptedFiles,
  type InputRules,
  isJson,
  labels,
  limits,
  mediaTypeOf,
  named,
  textTypes,
} from "./input-rules.js";
import type { ProductView } from "./product.js";
import { productName, setTitle } from "./selected-view.js";

/** Adapts the start view to the rules and the product's view. */
export function showStart(rules: InputRules, view: ProductView): void {
  const isAnyFile = rules.media_types.length === 0;
  at("product-name").textContent = productName();
  at("question").textContent = view.title ?? `Start a job with ${named(rules)}`;
  at("about").textContent =
    view.intro ?? "Its progress and its results appear here while the job runs.";
  at("start").setAttribute("aria-label", sentence(rules.name));
  at("drop-title").textContent = `Drop ${named(rules)} here`;
  at("drop-hint").textContent = limits(rules);
  if (view.icon) at("drop-icon").firstElementChild?.setAttribute("d", view.icon);
  const file = at<HTMLInputElement>("file");
  const types = isAnyFile ? [] : [labels(rules)];
  file.setAttribute("aria-label", [sentence(rules.name), ...types].join(", "));
  file.accept = acceptedFiles(rules);
  at("sample").hidden = sampleOf(view, rules) === null;
  offerText(rules);
  if (document.body.dataset.view === "home") setTitle("");
}

/** The product's sample as a file; null if it has none or the service does not accept it. */
export function sampleOf({ sample }: ProductView, rules: InputRules): File | null {
  const file = sample && new File([], sample.name);
  return file && mediaTypeOf(file, rules) !== null ? file : null;
}

function offerText(rules: InputRules): void {
  const types = textTypes(rules);
  at("write").hidden = types.length === 0;
  at("text-label").textContent = sentence(rules.name);
  const format = at<HTMLSelectElement>("text-format");
  format.replaceChildren(...types.map(({ label }, index) => new Option(label, String(index))));
  const known = make("span", "", types[0]?.label ?? "");
  at("text-only-format").replaceChildren(...(types.length === 1 ? [known] : []));
  format.hidden = types.length < 2;
}

/** Shows the text editor, or the drop zone. */
export function openEditor(isOpen: boolean, text = ""): void {
  at("drop").hidden = isOpen;
  at("editor").hidden = !isOpen;
  at("text-problem").hidden = true;
  if (text) at<HTMLTextAreaElement>("text").value = text;
  at(isOpen ? "text" : "write").focus();
}

/** The text as a file; null with a message if it cannot be an input. */
export function writtenFile(rules: InputRules): File | null {
  const text = at<HTMLTextAreaElement>("text").value;
  const type = textTypes(rules)[Number(at<HTMLSelectElement>("text-format").value)];
  const problem =
    text.trim() === "" ? "Paste or type a text first." : jsonProblem(text, type?.name);
  at("text-problem").hidden = problem === null;
  at("text-problem").textContent = problem ?? "";
  at("text").setAttribute("aria-invalid", String(problem !== null));
  if (problem !== null || !type) {
    at("text").focus();
    return null;
  }
  return new File([text], `pasted${type.extensions[0] ?? ""}`, { type: type.name });
}

function jsonProblem(text: string, mediaType = ""): string | null {
  if (!isJson(mediaType)) return null;
  try {
    JSON.parse(text);
    return null;
  } catch (error) {
    // V8 repeats the text in its message.
    const reason = (error as Error).message.replace(/, ".*" is not valid JSON$/s, "");
    return `This is not valid JSON: ${reason}`;
  }
}
