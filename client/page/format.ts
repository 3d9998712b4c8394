/** Formats values and errors for display. */

import { StagecastError, type WorkAmount } from "../src/index.js";

export function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** A name in code as words: `lineCount` and `line_count` become `Line count`. */
export function label(name: string): string {
  const words = name
    .replace(/([a-z0-9])([A-Z])(?=[a-z])/g, (_, end, start) => `${end} ${start.toLowerCase()}`)
    .replace(/[_-]+/g, " ")
    .trim();
  return words ? sentence(words) : name;
}

/** A number with its noun: `1 room`, `8 rooms`. */
export function count(number: number, thing: string): string {
  return `${new Intl.NumberFormat("en").format(number)} ${thing}${number === 1 ? "" : "s"}`;
}

/** An amount of work: `1,200 of 5,000 rows`, or `1,200 rows` of an unknown total. */
export function amount({ completed, total, unit }: WorkAmount): string {
  if (completed === null) return "";
  const number = new Intl.NumberFormat("en");
  const done = number.format(completed);
  const words = total === null ? done : `${done} of ${number.format(total)}`;
  return unit ? `${words} ${unit}` : words;
}

export function duration(seconds: number): string {
  if (seconds < 90) return `about ${Math.max(1, seconds)} s`;
  if (seconds < 90 * 60) return `about ${Math.round(seconds / 60)} min`;
  return `about ${Math.round(seconds / 3600)} h`;
}

const MEBIBYTE = 1024 * 1024;

export function size(bytes: number): string {
  if (bytes < 1024) return count(bytes, "byte");
  if (bytes < MEBIBYTE / 10) return `${Math.ceil(bytes / 1024)} KB`;
  return `${(bytes / MEBIBYTE).toFixed(1).replace(/\.0$/, "")} MB`;
}

/** Formats a time, in milliseconds since 1970, relative to now. */
export function ago(time: number): string {
  const minutes = Math.round((Date.now() - time) / 60_000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  if (minutes < 24 * 60) return `${Math.round(minutes / 60)} h ago`;
  return new Intl.DateTimeFormat("en", { day: "numeric", month: "short" }).format(time);
}

/** The message of an error. */
export function errorMessage(error: unknown): string {
  if (error instanceof StagecastError) return sentence(error.message);
  const { message } = error as Partial<Error>;
  return `Something went wrong on this page: ${message ?? String(error)}`;
}

/** The code and request id of an error, for support requests. */
export function errorDetails(error: unknown): string {
  if (!(error instanceof StagecastError)) return "";
  return [error.code, error.requestId].filter(Boolean).join(", ");
}
