import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    projects: [
      { test: { name: "unit", include: ["tests/unit/**/*.test.{ts,tsx}"] } },
      {
        test: {
          name: "stack",
          include: ["tests/stack/**/*.test.ts"],
          globalSetup: "tests/stack/start.ts",
          testTimeout: 60_000,
          hookTimeout: 600_000,
        },
      },
    ],
  },
});
