import { defineConfig } from "vite";

export default defineConfig({
  // One copy of React, though the client library is a folder with its own.
  resolve: { dedupe: ["react", "react-dom"] },
  // Where jobs are made; `STAGECAST_URL=... npm run dev` names another place than `cargo dev`.
  define: {
    STAGECAST_URL: JSON.stringify(process.env.STAGECAST_URL ?? "http://127.0.0.1:4800"),
  },
  oxc: { jsx: { runtime: "automatic" } },
});
