/** Fails if `generated/page` differs from what the sources produce. */

import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildPage } from "../page/build.js";

const checkedIn = fileURLToPath(new URL("../../generated/page", import.meta.url));
const built = mkdtempSync(join(tmpdir(), "stagecast-page-"));
try {
  await buildPage({
    outDir: built,
    product: "floor-plan/view.ts",
    input: "../generated/input.json",
  });
  const names = new Set([...readdirSync(built), ...readdirSync(checkedIn)]);
  const different = [...names].filter((name) => !isSame(name));
  for (const name of different) console.error(`generated/page/${name} is not what the sources say`);
  if (different.length > 0) {
    console.error("To mend it, run `npm run page` in client/.");
    process.exitCode = 1;
  }
} finally {
  rmSync(built, { recursive: true });
}

function isSame(name) {
  try {
    return readFileSync(join(built, name)).equals(readFileSync(join(checkedIn, name)));
  } catch {
    return false;
  }
}
