/** The floor plan's view uses only what a product in another repository can use. */

import { readdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";

const FOLDER = new URL("../../floor-plan/", import.meta.url);

it("floor plan view imports only its own files and the public modules", () => {
  const modules = readdirSync(FOLDER).filter((name) => name.endsWith(".ts"));
  expect(modules).toContain("view.ts");
  const imported = modules.flatMap((name) => {
    const text = readFileSync(new URL(name, FOLDER), "utf8");
    return [...text.matchAll(/^(?:import|export)\b[^;]*?"([^"]+)";/gm)].map(([, from]) => from);
  });
  const foreign = imported.filter((from) => !from?.startsWith("./"));
  expect(new Set(foreign)).toEqual(new Set(["@stagecast/client", "@stagecast/client/page"]));
});
