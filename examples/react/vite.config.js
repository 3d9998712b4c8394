import { defineConfig } from "vite";

export default defineConfig({
  // One copy of React, although the client library's folder has another.
  resolve: { dedupe: ["react", "react-dom"] },
  // The HTTP API, by default that of `cargo dev`. Override it with `STAGECAST_URL=... npm run dev`.
  define: {
    STAGECAST_URL: JSON.stringify(process.env.STAGECAST_URL ?? "http://127.0.0.1:4800"),
  },
  oxc: { jsx: { runtime: "automatic" } },
});
