/** Formats values and errors for display. */

import { StagecastError } from "../src/index.js";

/** Labels of the reference pipeline's stages. Other stages are shown by their name. */
const STAGE_NAMES = new Map([
  ["stage_1", "Walls"],
  ["stage_2", "Rooms"],
]);

export function stageName(stage: string): string {
  return STAGE_NAMES.get(stage) ?? sentence(stage.replaceAll("_", " "));
}

export function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export function count(number: number, thing: string): string {
  return `${number} ${thing}${number === 1 ? "" : "s"}`;
}

export function duration(seconds: number): string {
  if (seconds < 90) return `about ${Math.max(1, seconds)} s`;
  if (seconds < 90 * 60) return `about ${Math.round(seconds / 60)} min`;
  return `about ${Math.round(seconds / 3600)} h`;
}

export function area(pixels: number): string {
  return `${new Intl.NumberFormat("en").format(pixels)} px²`;
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
