/** Tests of the page in a real browser. Each test has its own local stack. */

import { defineConfig } from "@playwright/test";

export default defineConfig({
  testDir: "tests/browser",
  outputDir: "test-results",
  // A stack and a browser are several processes each.
  workers: Number(process.env.PLAYWRIGHT_WORKERS ?? 2),
  fullyParallel: true,
  forbidOnly: !!process.env.CI,
  // Generous timeouts for busy machines; they do not slow down passing tests.
  timeout: 300_000,
  expect: { timeout: 90_000 },
  reporter: [["list"]],
  use: {
    browserName: "chromium",
    viewport: { width: 1200, height: 860 },
    trace: "retain-on-failure",
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      // Chromium has no sandbox as root, the usual user of containers.
      chromiumSandbox: process.getuid?.() !== 0,
      args: ["--disable-gpu", "--disable-dev-shm-usage"],
    },
  },
});
