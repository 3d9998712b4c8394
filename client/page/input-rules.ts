/** The rules for inputs: what the page offers, and what is rejected before the upload. */

import INPUT from "#input-rules" with { type: "json" };
import { sentence, size } from "./format.js";

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
  /** Empty if the page does not know them: it offers any file, and the service decides. */
  media_types: readonly MediaType[];
  max_bytes: number;
}

/** The rules that the page was built with, used if `config.json` contains none. */
export const BUILT_IN: InputRules = INPUT;

const ANY_TEXT: MediaType = { name: "text/plain", label: "Text", extensions: [".txt"] };

/** The value of the file picker's `accept`. */
export function acceptedFiles({ media_types }: InputRules): string {
  return media_types.flatMap(({ name, extensions }) => [name, ...extensions]).join();
}

/** The media type to upload a file as; null if the service does not accept the file. */
export function mediaTypeOf({ name, type }: File, { media_types }: InputRules): string | null {
  if (media_types.length === 0) return type || "application/octet-stream";
  const lower = name.toLowerCase();
  const found =
    media_types.find((it) => it.name === type) ??
    // Operating systems report different types: some report a CSV file as an Excel file.
    media_types.find((it) => it.extensions.some((end) => lower.endsWith(end)));
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

/** The accepted types that can be typed or pasted. */
export function textTypes({ media_types }: InputRules): readonly MediaType[] {
  if (media_types.length === 0) return [ANY_TEXT];
  return media_types.filter(({ name }) => isTextual(name));
}

/** Whether inputs of this media type are text. */
export function isTextual(mediaType: string): boolean {
  const [essence = ""] = mediaType.toLowerCase().split(";");
  return (
    essence.startsWith("text/") ||
    /[/+](json|xml|yaml)$/.test(essence) ||
    /^application\/(x-)?(ndjson|jsonl|json-seq|yaml|toml|sql|javascript|graphql|csv)$/.test(essence)
  );
}

/** Whether inputs of this media type are one JSON document. */
export function isJson(mediaType: string): boolean {
  return /[/+]json$/.test(mediaType.toLowerCase().split(";")[0] ?? "");
}

/** The labels of all types: `PNG or JPEG`. */
export function labels({ media_types }: InputRules): string {
  const all = media_types.map(({ label }) => label);
  const last = all.pop() ?? "any type";
  return all.length > 0 ? `${all.join(", ")} or ${last}` : last;
}

/** The types and the size limit as one phrase: `PNG or JPEG, up to 4 MB`. */
export function limits(rules: InputRules): string {
  const types = sentence(labels(rules));
  return `${types}, up to ${size(rules.max_bytes)}`;
}

/** The name with its article: `a floor plan`. */
export function named({ name }: InputRules): string {
  return `${/^[aeiou]/i.test(name) ? "an" : "a"} ${name}`;
}
