/** Numbers that JavaScript would round. */

import { afterEach, describe, expect, it, vi } from "vitest";

interface RawJson {
  rawJSON?: unknown;
  isRawJSON?: unknown;
}

/** The module in an engine with or without raw JSON. */
async function load(hasRawJson: boolean) {
  vi.resetModules();
  const raw = (text: string) => Object.assign(Object.create(null), { rawJSON: text });
  const json = JSON as RawJson;
  const before = { ...json };
  const known = { rawJSON: json.rawJSON, isRawJSON: json.isRawJSON };
  json.rawJSON = hasRawJson ? raw : undefined;
  json.isRawJSON = hasRawJson ? (value: { rawJSON?: string }) => !!value?.rawJSON : undefined;
  restore = () => Object.assign(json, before, known);
  return import("../../page/results/exact-numbers.js");
}

let restore = () => {};
afterEach(() => restore());

describe("numbers", () => {
  it("that would be rounded keep their digits", async () => {
    const { keepDigits, isExactNumber, exactDigits } = await load(true);
    for (const source of ["9007199254740993", "-0.1234567890123456789", "1e400", "1e-400"]) {
      const kept = keepDigits("", Number(source), { source });
      expect(isExactNumber(kept), source).toBe(true);
      expect(exactDigits(kept as object)).toBe(source);
    }
  });

  it("that are exact stay numbers", async () => {
    const { keepDigits } = await load(true);
    for (const source of ["0", "-0", "1.0", "100", "1e2", "1E+21", "0.1", "0.30000000000000004"]) {
      expect(keepDigits("", Number(source), { source }), source).toBe(Number(source));
    }
  });

  it("are rounded in an engine without raw JSON", async () => {
    const { keepDigits, isExactNumber } = await load(false);
    const kept = keepDigits("", 9007199254740992, { source: "9007199254740993" });
    expect(kept).toBe(9007199254740992);
    expect(isExactNumber(kept)).toBe(false);
  });
});
