/** Fails if an entry point exceeds its size limit, minified like an app and compressed. */

import { gzipSync } from "node:zlib";
import { build } from "vite";

// Uploads are loaded when they are needed; descriptions and their control took 400 bytes, artifacts 210,
// limits, times and queues of a job 80, a start beyond the log 10, tokens, their renewal and lists 930.
// `watch` is what remains for an application that watches single jobs: bundlers leave out `watchJobs`, 2 KB.
const LIMITS = { watch: 7800, index: 9750, react: 10200 };

let tooLarge = false;
for (const [entry, limit] of Object.entries(LIMITS)) {
  const output = await build({
    configFile: false,
    logLevel: "error",
    publicDir: false,
    build: {
      write: false,
      target: "es2022",
      lib: { entry: `src/${entry}.ts`, formats: ["es"] },
      // Vite keeps the whitespace of libraries; the bundler of an app removes it.
      minify: false,
      rolldownOptions: { external: ["react"], output: { minify: true } },
    },
  });
  const { code } = output[0].output[0];
  const size = gzipSync(code, { level: 9 }).length;
  console.log(`${entry}: ${size} bytes compressed of at most ${limit}`);
  tooLarge ||= size > limit;
}
if (tooLarge) {
  console.error(
    "An entry point is too large: make it smaller, or raise the limit and give the reason.",
  );
  process.exitCode = 1;
}
