// Opens the React example in Chromium, gives it a floor plan, and waits for its rooms.
//
//   CHROMIUM=/usr/bin/chromium node examples/react_test.mjs http://localhost:5173/ client/page/sample-plan.png

import { chromium, expect } from "../client/node_modules/@playwright/test/index.mjs";

const [url, plan] = process.argv.slice(2);
const patient = { timeout: 100_000 };
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  // As root, which containers mostly are, there is no sandbox.
  chromiumSandbox: process.getuid() !== 0,
  args: ["--disable-gpu", "--disable-dev-shm-usage"],
});
try {
  const page = await browser.newPage();
  // For machines that have more to do; what passes does not wait for them.
  page.setDefaultTimeout(110_000);
  const mistakes = [];
  page.on("pageerror", (error) => mistakes.push(String(error)));
  await page.goto(url);
  await page.getByLabel("Floor plan").setInputFiles(plan);
  const result = page.locator("section");
  await expect(result).toContainText("completed", patient);
  await expect(result.locator("pre")).toContainText('"rooms"', patient);
  await expect(result).toContainText("100 %", patient);
  expect(mistakes).toEqual([]);
} finally {
  await browser.close();
}
