/** The page in a real browser, each test on a local stack of its own. */

import { defineConfig } from "@playwright/test";

export default defineConfig({
  testDir: "tests/browser",
  outputDir: "test-results",
  // A stack and a browser are several processes each.
  workers: Number(process.env.PLAYWRIGHT_WORKERS ?? 2),
  fullyParallel: true,
  forbidOnly: !!process.env.CI,
  // For machines that have more to do; what passes does not wait for them.
  timeout: 300_000,
  expect: { timeout: 90_000 },
  reporter: [["list"]],
  use: {
    browserName: "chromium",
    viewport: { width: 1200, height: 860 },
    trace: "retain-on-failure",
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      // As root, which containers mostly are, there is no sandbox.
      chromiumSandbox: process.getuid?.() !== 0,
      args: ["--disable-gpu", "--disable-dev-shm-usage"],
    },
  },
});
