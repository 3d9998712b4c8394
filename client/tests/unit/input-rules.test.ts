/** The page's texts and checks for the inputs of any product. */

import { describe, expect, it } from "vitest";
import { label } from "../../page/format.js";
import {
  BUILT_IN,
  type InputRules,
  isJson,
  isTextual,
  limits,
  mediaTypeOf,
  named,
  textTypes,
  whyUnfit,
} from "../../page/input-rules.js";

const RULES: InputRules = {
  name: "order",
  media_types: [
    { name: "application/pdf", label: "PDF", extensions: [".pdf"] },
    { name: "text/csv", label: "CSV", extensions: [".csv"] },
  ],
  max_bytes: 1536 * 1024,
};

describe("rules", () => {
  it("are formatted for texts", () => {
    expect(named(RULES)).toBe("an order");
    expect(limits(RULES)).toBe("PDF or CSV, up to 1.5 MB");
    expect(limits(BUILT_IN)).toBe("Any type, up to 4 MB");
  });

  it("find the media type by the type, else by the extension", () => {
    const type = (name: string, type: string) => mediaTypeOf(new File([], name, { type }), RULES);
    expect(type("a", "text/csv")).toBe("text/csv");
    expect(type("a.CSV", "application/vnd.ms-excel")).toBe("text/csv");
    expect(type("a.txt", "text/plain")).toBeNull();
  });

  it("reject other types and large files", () => {
    expect(whyUnfit(new File([], "a.txt"), RULES)).toContain("is not PDF or CSV");
    const large = new File([new Uint8Array(RULES.max_bytes + 1)], "a.pdf");
    expect(whyUnfit(large, RULES)).toContain("the limit is 1.5 MB");
    expect(whyUnfit(new File([], "a.pdf"), RULES)).toBeNull();
  });

  it("offer text for textual types, and for any type if they name none", () => {
    expect(textTypes(RULES).map(({ name }) => name)).toEqual(["text/csv"]);
    expect(textTypes({ ...RULES, media_types: RULES.media_types.slice(0, 1) })).toEqual([]);
    expect(textTypes(BUILT_IN).map(({ name }) => name)).toEqual(["text/plain"]);
    expect(mediaTypeOf(new File([], "a.bin"), BUILT_IN)).toBe("application/octet-stream");
  });
});

it.each([
  ["text/plain; charset=utf-8", true, false],
  ["application/json", true, true],
  ["application/geo+json", true, true],
  ["application/x-ndjson", true, false],
  ["image/svg+xml", true, false],
  ["application/octet-stream", false, false],
  ["image/png", false, false],
])("media type %s", (mediaType, textual, json) => {
  expect(isTextual(mediaType)).toBe(textual);
  expect(isJson(mediaType)).toBe(json);
});

it.each([
  ["line_count", "Line count"],
  ["lineCount", "Line count"],
  ["HTTPStatus", "HTTPStatus"],
  ["stage_1", "Stage 1"],
  ["check-prices", "Check prices"],
  ["_", "_"],
])("name %s is shown as %s", (name, expected) => {
  expect(label(name)).toBe(expected);
});
