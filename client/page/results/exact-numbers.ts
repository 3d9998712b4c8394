/**
 * Numbers that JavaScript would round, such as integers beyond 2^53, keep their digits: as raw JSON
 * of the engine (Chrome 114, Firefox 135, Safari 18.4), which `JSON.stringify` writes unchanged. In
 * other engines they are rounded.
 */

interface RawJson {
  rawJSON?: (text: string) => object;
  isRawJSON?: (value: unknown) => boolean;
}

const json: RawJson = JSON as RawJson;

/** A `reviver` for `JSON.parse`. */
export function keepDigits(_: string, value: unknown, context?: { source?: string }): unknown {
  const source = context?.source;
  if (typeof value !== "number" || source === undefined || !json.rawJSON) return value;
  return digits(String(value)) === digits(source) ? value : json.rawJSON(source);
}

/** Whether the value is a number that `keepDigits` has kept. */
export function isExactNumber(value: unknown): value is object {
  return json.isRawJSON?.(value) ?? false;
}

/** The digits of a number that was kept. */
export function exactDigits(value: object): string {
  return (value as { rawJSON: string }).rawJSON;
}

/** The significant digits, so that `1e2` equals `100`. */
function digits(number: string): string {
  const [significand = ""] = number.toLowerCase().replace(/[-.]/g, "").split("e");
  return significand.replace(/^0+|0+$/g, "");
}
