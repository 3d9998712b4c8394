// `write` converts the generated templates to JSON, the app's input. `compare` compares the app's output with them:
// node prepare.js write|compare GENERATED CDK_OUT
const { deepStrictEqual } = require("node:assert");
const { readFileSync, writeFileSync } = require("node:fs");
const { join } = require("node:path");
const { yamlParse } = require("yaml-cfn");

const [verb, generated, out] = process.argv.slice(2);
const templates = {};
for (const environment of ["dev", "prod"]) {
  const path = join(generated, "cloudformation", `${environment}.yaml`);
  templates[environment] = yamlParse(readFileSync(path, "utf8"));
}
if (verb === "write") {
  writeFileSync(join(__dirname, "stacks.json"), JSON.stringify(templates));
} else {
  for (const [environment, template] of Object.entries(templates)) {
    const made = JSON.parse(readFileSync(join(out, `${environment}.template.json`), "utf8"));
    deepStrictEqual(made, template);
  }
}
