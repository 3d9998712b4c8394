// Opens the React example in Chromium, submits a floor plan and waits for its rooms.
//
//   CHROMIUM=/usr/bin/chromium node examples/react_test.mjs http://localhost:5173/ client/floor-plan/sample-plan.png

import { chromium, expect } from "../client/node_modules/@playwright/test/index.mjs";

const [url, plan] = process.argv.slice(2);
const patient = { timeout: 100_000 };
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  // Chromium has no sandbox as root, the usual user in containers.
  chromiumSandbox: process.getuid() !== 0,
  args: ["--disable-gpu", "--disable-dev-shm-usage"],
});
try {
  const page = await browser.newPage();
  // Generous timeouts for busy machines.
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
