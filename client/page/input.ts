/** The rules for inputs: what the file picker offers, and what is rejected before the upload. */

import INPUT from "../../generated/input.json" with { type: "json" };
import { at } from "./dom.js";

/** A type of input that the service accepts. */
export interface MediaType {
  /** `image/png` */
  name: string;
  /** `PNG` */
  label: string;
  /** `.png` */
  extensions: readonly string[];
}

/** The service's rules for inputs, as in `config.json`. */
export interface InputRules {
  /** `floor plan` */
  name: string;
  media_types: readonly MediaType[];
  max_bytes: number;
}

/** The rules that the page was built with, used if `config.json` contains none. */
export const BUILT_IN: InputRules = INPUT;

const MEBIBYTE = 1024 * 1024;

/** Adapts the page's texts to the rules. */
export function offer(rules: InputRules, sample: File): void {
  const words = `${labels(rules)}, up to ${size(rules.max_bytes)}`;
  at("drop-title").textContent = `Drop ${named(rules)} here`;
  at("drop-hint").textContent = words;
  at("plan").setAttribute("aria-label", capital(rules.name));
  const file = at<HTMLInputElement>("file");
  file.setAttribute("aria-label", `${capital(rules.name)}, ${labels(rules)}`);
  file.accept = rules.media_types.flatMap(({ name, extensions }) => [name, ...extensions]).join();
  // The sample and its texts belong to the reference pipeline.
  const isReference = rules.name === BUILT_IN.name && mediaTypeOf(sample, rules) !== null;
  at("sample").hidden = !isReference;
  at("about").hidden = !isReference;
  if (!isReference) at("question").textContent = `Drop ${named(rules)} and watch its job, live.`;
}

/** The media type to upload a file as; null if the service does not accept the file. */
export function mediaTypeOf({ name, type }: File, rules: InputRules): string | null {
  const lower = name.toLowerCase();
  const found =
    rules.media_types.find((it) => it.name === type) ??
    // Operating systems report different types: some report a CSV file as an Excel file.
    rules.media_types.find((it) => it.extensions.some((end) => lower.endsWith(end)));
  return found?.name ?? null;
}

/** Why the service would reject a file, checked before the upload; null if it would not. */
export function whyUnfit(file: File, rules: InputRules): string | null {
  if (mediaTypeOf(file, rules) === null) {
    return `${file.name} is not ${labels(rules)}. Choose a file of that type.`;
  }
  if (file.size <= rules.max_bytes) return null;
  return `${file.name} is ${size(file.size)} large, the limit is ${size(rules.max_bytes)}. Choose a smaller file.`;
}

function labels({ media_types }: InputRules): string {
  const all = media_types.map(({ label }) => label);
  const last = all.pop() ?? "";
  return all.length > 0 ? `${all.join(", ")} or ${last}` : last;
}

function named({ name }: InputRules): string {
  return `${/^[aeiou]/.test(name) ? "an" : "a"} ${name}`;
}

function size(bytes: number): string {
  if (bytes < MEBIBYTE / 10) return `${Math.ceil(bytes / 1024)} KB`;
  return `${(bytes / MEBIBYTE).toFixed(1).replace(/\.0$/, "")} MB`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
