// The stack as an AWS CDK app: both environments, every resource as the L1 construct CfnResource with final
// properties. This is the minimum of work for CDK: typed L1s would validate and convert every property, and L2s
// would compute it.
const { App, BootstraplessSynthesizer, CfnCondition, CfnOutput, CfnParameter, CfnResource, Stack } = require("aws-cdk-lib");
const stacks = require("./stacks.json");

const app = new App({ analyticsReporting: false, stackTraces: false, treeMetadata: false, outdir: process.argv[2] });
for (const [environment, template] of Object.entries(stacks)) {
  const synthesizer = new BootstraplessSynthesizer();
  const stack = new Stack(app, environment, { description: template.Description, synthesizer });
  stack.templateOptions.templateFormatVersion = template.AWSTemplateFormatVersion;
  for (const [id, parameter] of Object.entries(template.Parameters)) {
    new CfnParameter(stack, id, {
      type: parameter.Type,
      description: parameter.Description,
      default: parameter.Default,
      allowedPattern: parameter.AllowedPattern,
      constraintDescription: parameter.ConstraintDescription,
    });
  }
  for (const [id, expression] of Object.entries(template.Conditions ?? {})) {
    new CfnCondition(stack, id, { expression: { resolve: () => expression } });
  }
  for (const [id, { Type, Properties, ...attributes }] of Object.entries(template.Resources)) {
    const resource = new CfnResource(stack, id, { type: Type, properties: Properties });
    for (const [name, value] of Object.entries(attributes)) {
      resource.addOverride(name, value);
    }
  }
  for (const [id, output] of Object.entries(template.Outputs)) {
    const construct = new CfnOutput(stack, `Output${id}`, { description: output.Description, value: output.Value });
    construct.overrideLogicalId(id);
  }
}
app.synth();
