import { expect, test } from "vitest";
import { amount } from "../../page/format.js";

const rows = { completed: 1200, total: 5000, unit: "rows", indeterminate: false };

test("amount of work has its total and its unit, as far as they are known", () => {
  expect(amount(rows)).toBe("1,200 of 5,000 rows");
  expect(amount({ ...rows, total: null, indeterminate: true })).toBe("1,200 rows");
  expect(amount({ ...rows, unit: "" })).toBe("1,200 of 5,000");
  expect(amount({ ...rows, completed: null, total: null, indeterminate: true })).toBe("");
});
