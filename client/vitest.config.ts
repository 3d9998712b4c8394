import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["tests/unit/**/*.test.{ts,tsx}"],
          // Generous timeouts for busy machines; they do not slow down passing tests.
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: "stack",
          include: ["tests/stack/**/*.test.ts"],
          globalSetup: "tests/stack/start.ts",
          testTimeout: 240_000,
          hookTimeout: 600_000,
        },
      },
    ],
  },
});
