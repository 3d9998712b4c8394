/** What jobs are made from: what the page offers, and what it refuses before it is sent. */

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

/** The rules that the service accepts inputs by, as `config.json` says them. */
export interface InputRules {
  /** `floor plan` */
  name: string;
  media_types: readonly MediaType[];
  max_bytes: number;
}

/** The rules that this page was built with, for a `config.json` that says none. */
export const BUILT_IN: InputRules = INPUT;

const MEBIBYTE = 1024 * 1024;

/** Words the page by the rules. */
export function offer(rules: InputRules, sample: File): void {
  const words = `${labels(rules)}, up to ${size(rules.max_bytes)}`;
  at("drop-title").textContent = `Drop ${named(rules)} here`;
  at("drop-hint").textContent = words;
  at("plan").setAttribute("aria-label", capital(rules.name));
  const file = at<HTMLInputElement>("file");
  file.setAttribute("aria-label", `${capital(rules.name)}, ${labels(rules)}`);
  file.accept = rules.media_types.flatMap(({ name, extensions }) => [name, ...extensions]).join();
  // The sample and the words about it are the reference pipeline's.
  const isReference = rules.name === BUILT_IN.name && mediaTypeOf(sample, rules) !== null;
  at("sample").hidden = !isReference;
  at("about").hidden = !isReference;
  if (!isReference) at("question").textContent = `Drop ${named(rules)} and watch its job, live.`;
}

/** The type that the service knows a file by; null if it accepts no such file. */
export function mediaTypeOf({ name, type }: File, rules: InputRules): string | null {
  const lower = name.toLowerCase();
  const found =
    rules.media_types.find((it) => it.name === type) ??
    // Systems differ in what they call a file: to some, a CSV file is one of Excel's.
    rules.media_types.find((it) => it.extensions.some((end) => lower.endsWith(end)));
  return found?.name ?? null;
}

/** Why the service would refuse a file, found without sending it there. */
export function whyUnfit(file: File, rules: InputRules): string | null {
  if (mediaTypeOf(file, rules) === null) {
    return `${file.name} is not ${labels(rules)}. Choose a file of that type.`;
  }
  if (file.size <= rules.max_bytes) return null;
  return `${file.name} has ${size(file.size)}, the limit is ${size(rules.max_bytes)}. Choose a smaller file.`;
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
