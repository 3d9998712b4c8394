/** The library: one file for each entry point, and nothing in them that is not ours. */

import { defineConfig } from "vite";

export default defineConfig({
  publicDir: false,
  build: {
    target: "es2022",
    sourcemap: true,
    minify: false,
    lib: { entry: { index: "src/index.ts", react: "src/react.ts" }, formats: ["es"] },
    rolldownOptions: { external: ["react"], output: { chunkFileNames: "[name].js" } },
  },
});
