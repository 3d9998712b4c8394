// @vitest-environment happy-dom

/** The general views of results: which form JSON takes, and what each form shows. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseCsv } from "../../page/general/csv.js";
import { renderResults } from "../../page/results/render.js";
import { blocksOf, sizeOf, summaryOf } from "../../page/results/shape.js";
import { csvOf } from "../../page/results/table.js";
import { renderTree } from "../../page/results/tree.js";

const kinds = (results: unknown) => blocksOf(results).map(({ kind, title }) => [kind, title]);
const texts = (root: Element, selector: string) =>
  [...root.querySelectorAll(selector)].map((element) => element.textContent);

describe("form of results", () => {
  it.each([
    ["array of flat objects", [{ a: 1 }, { b: null }], [["table", null]]],
    ["flat object", { a: 1, b: "x", c: null }, [["fields", null]]],
    ["nested object", { a: { b: { c: 1 } } }, [["tree", null]]],
    ["object of flat objects", { a: { b: 1 } }, [["tree", null]]],
    ["array of arrays", [[1], [2]], [["tree", null]]],
    ["array of numbers", [1, 2], [["tree", null]]],
    ["array with a nested object", [{ a: 1 }, { a: [1] }], [["tree", null]]],
    ["array with an empty object", [{ a: 1 }, {}], [["tree", null]]],
    ["empty array", [], [["empty", null]]],
    ["empty object", {}, [["empty", null]]],
    ["text", "done", [["text", null]]],
    ["number", 3, [["text", null]]],
    [
      "object with tables",
      { rows: [{ a: 1 }], total: 1, bad_rows: [{ b: 2 }], meta: { by: { x: [1] } }, none: [] },
      [
        ["fields", null],
        ["table", "Rows"],
        ["table", "Bad rows"],
        ["tree", "Meta"],
        ["empty", "None"],
      ],
    ],
  ])("%s", (_, results, expected) => {
    expect(kinds(results)).toEqual(expected);
  });

  it("shows every value of any JSON", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (results) => {
        const scalars = (value: unknown): unknown[] =>
          typeof value === "object" && value !== null
            ? Object.values(value).flatMap(scalars)
            : [value];
        const all = scalars(results).filter((value) => value !== null && value !== "");
        const shown = renderResults(results).textContent ?? "";
        for (const value of all) {
          const isShown =
            shown.includes(String(value)) || shown.includes(JSON.stringify(value).slice(1, -1));
          expect(isShown, `${JSON.stringify(value)} in ${shown}`).toBe(true);
        }
      }),
    );
  });
});

describe("summaries", () => {
  it.each([
    [[{ a: 1 }, { a: 2 }], "2 rows"],
    [{ bad_rows: [{ a: 1 }], total: 7 }, "1 bad row"],
    [{ words: 1200 }, "1,200 words"],
    [{ entries: 1 }, "1 entry"],
    [{ status: 1 }, "1 status"],
    [{ words: 3, lines: 4 }, ""],
    [{ words: 3, meta: { a: 1 } }, ""],
    [{ a: [{ x: 1 }], b: [{ x: 1 }] }, ""],
    ["text", ""],
    [null, ""],
  ])("summary of %j is %j", (results, expected) => {
    expect(summaryOf(results)).toBe(expected);
  });

  it("names the size of each form", () => {
    expect(sizeOf(blocksOf([{ a: 1, b: 2 }]))).toBe("1 row, 2 columns");
    expect(sizeOf(blocksOf({ a: 1 }))).toBe("1 field");
    expect(sizeOf(blocksOf([[1], [2]]))).toBe("2 items");
    expect(sizeOf(blocksOf({ findings: [{ a: 1 }], n: 1 }))).toBe("1 finding");
  });
});

describe("table", () => {
  it("has the columns of all rows and a dash for missing values", () => {
    const view = renderResults([{ line_count: 1 }, { line_count: 2, fileName: "a" }]);
    expect(texts(view, "th")).toEqual(["Line count", "File name"]);
    expect(texts(view, "td")).toEqual(["1", "–", "2", "a"]);
  });

  it("aligns a column only if all of its values are numbers", () => {
    const view = renderResults([
      { id: 1, code: "007", name: "x" },
      { id: null, code: "12", name: 5 },
    ]);
    expect(texts(view, "th.number")).toEqual(["Id"]);
  });

  it("links web addresses and no other text", () => {
    const view = renderResults([
      { at: "https://example.com/a" },
      { at: "javascript:alert(1)" },
      { at: "see https://example.com" },
    ]);
    expect([...view.querySelectorAll("a")].map(({ href }) => href)).toEqual([
      "https://example.com/a",
    ]);
  });

  it("shows markup as text", () => {
    const view = renderResults([{ name: "<img src=x>" }]);
    expect(view.querySelector("img")).toBeNull();
    expect(texts(view, "td")).toEqual(["<img src=x>"]);
  });

  it("shows the rows in chunks of 100", () => {
    const view = renderResults(Array.from({ length: 250 }, (_, id) => ({ id })));
    const rows = () => view.querySelectorAll("tbody tr").length;
    const more = view.querySelector<HTMLButtonElement>(".more button");
    expect(rows()).toBe(100);
    more?.click();
    expect(more?.textContent).toBe("Show 50 more");
    more?.click();
    expect(rows()).toBe(250);
    expect(view.querySelector<HTMLElement>(".more")?.hidden).toBe(true);
  });
});

describe("CSV", () => {
  it("quotes fields and marks formulas as text", () => {
    const rows = [{ a: 'say "hi"', b: -1 }, { a: "=SUM(A1)" }, { a: "x,y\nz", b: null }];
    expect(csvOf(["a", "b"], rows)).toBe('a,b\r\n"say ""hi""",-1\r\n\'=SUM(A1),\r\n"x,y\nz",\r\n');
  });

  it("is read back as it was written", () => {
    const value = fc.string().filter((text) => !/^[=+\-@\t\r]|^\uFEFF/.test(text));
    const row = fc.record({ first: value, second: value });
    fc.assert(
      fc.property(fc.array(row, { minLength: 1 }), (rows) => {
        expect(parseCsv(csvOf(["first", "second"], rows), ",")).toEqual({
          columns: ["first", "second"],
          rows,
        });
      }),
    );
  });

  it("names columns without a heading and keeps short lines", () => {
    expect(parseCsv("\uFEFFa;;c\n1;2\n", ";")).toEqual({
      columns: ["a", "Column 2", "c"],
      rows: [{ a: "1", "Column 2": "2", c: "" }],
    });
  });
});

describe("tree", () => {
  it("renders a closed branch when it opens", () => {
    const deep = { list: Array.from({ length: 80 }, (_, id) => ({ id, parts: [id] })) };
    const tree = renderTree(deep);
    const branch = tree.querySelector("details") as HTMLDetailsElement;
    expect(branch.open).toBe(false);
    expect(tree.querySelectorAll("li").length).toBe(1);
    branch.open = true;
    branch.dispatchEvent(new Event("toggle"));
    expect(branch.querySelectorAll(":scope > ul > li").length).toBe(80);
  });

  it("opens the branches of a small value", () => {
    const tree = renderTree({ a: { b: { c: [1, "x", null] } } });
    expect([...tree.querySelectorAll("details")].every(({ open }) => open)).toBe(true);
    expect(texts(tree, ".tree-leaf")).toEqual(["01", '1"x"', "2null"]);
  });
});
