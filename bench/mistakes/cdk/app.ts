// The seeded mistakes of declarations, as an AWS CDK app: one function for each mistake, by its name in ../mistakes.py.
// `base` is what every stack has, and the mistake named `none`. The script ../run.py attributes an error of the compiler to the
// function around its line, and synthesizes each stack apart, so that an error hides no other.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { App, CfnOutput, Duration, Fn, SecretValue, Size, Stack } from "aws-cdk-lib";
import * as gateway from "aws-cdk-lib/aws-apigatewayv2";
import { WebSocketIamAuthorizer } from "aws-cdk-lib/aws-apigatewayv2-authorizers";
import { HttpLambdaIntegration, WebSocketLambdaIntegration } from "aws-cdk-lib/aws-apigatewayv2-integrations";
import * as dynamodb from "aws-cdk-lib/aws-dynamodb";
import * as iam from "aws-cdk-lib/aws-iam";
import * as lambda from "aws-cdk-lib/aws-lambda";
import { SqsEventSource, SqsEventSourceProps } from "aws-cdk-lib/aws-lambda-event-sources";
import * as logs from "aws-cdk-lib/aws-logs";
import * as sqs from "aws-cdk-lib/aws-sqs";

const CODE = lambda.Code.fromInline("exports.handler = async () => ({ statusCode: 200 })");
const STRING = dynamodb.AttributeType.STRING;
const NUMBER = dynamodb.AttributeType.NUMBER;

function lambdaFunction(stack: Stack, id: string, more: Partial<lambda.FunctionProps> = {}) {
  return new lambda.Function(stack, id, {
    runtime: lambda.Runtime.NODEJS_22_X,
    handler: "index.handler",
    code: CODE,
    memorySize: 256,
    timeout: Duration.seconds(10),
    ...more,
  });
}

function consumer(stack: Stack, queue: sqs.QueueProps, more: Partial<lambda.FunctionProps>, source: SqsEventSourceProps) {
  const ship = lambdaFunction(stack, "Ship", { timeout: Duration.seconds(60), ...more });
  const shipments = new sqs.Queue(stack, "Shipments", { visibilityTimeout: Duration.seconds(60), ...queue });
  ship.addEventSource(new SqsEventSource(shipments, { reportBatchItemFailures: true, ...source }));
  return ship;
}

function table(stack: Stack, more: Partial<dynamodb.TablePropsV2> = {}) {
  return new dynamodb.TableV2(stack, "Orders", {
    partitionKey: { name: "order_id", type: STRING },
    timeToLiveAttribute: "expires_at",
    globalSecondaryIndexes: [{ indexName: "by_customer", partitionKey: { name: "customer_id", type: STRING } }],
    ...more,
  });
}

function routes(stack: Stack, more: Partial<lambda.FunctionProps>, ...paths: string[]) {
  const api = new gateway.HttpApi(stack, "Api");
  const integration = new HttpLambdaIntegration("Integration", lambdaFunction(stack, "Orders Function", more));
  for (const path of paths) {
    api.addRoutes({ path, methods: [gateway.HttpMethod.GET], integration });
  }
}

function base(stack: Stack) {
  table(stack).grantReadData(consumer(stack, {}, {}, {}));
  routes(stack, {}, "/v1/orders/{order_id}");
}

const mistakes: Record<string, (stack: Stack) => void> = {
  none(stack) {
    base(stack);
  },
  memory_too_small(stack) {
    lambdaFunction(stack, "Ship", { memorySize: 100 });
  },
  memory_too_large(stack) {
    lambdaFunction(stack, "Ship", { memorySize: 20000 });
  },
  timeout_too_long(stack) {
    lambdaFunction(stack, "Ship", { timeout: Duration.seconds(1200) });
  },
  storage_too_large(stack) {
    lambdaFunction(stack, "Ship", { ephemeralStorageSize: Size.mebibytes(20480) });
  },
  timeout_over_api_gateway(stack) {
    routes(stack, { timeout: Duration.seconds(60) }, "/v1/orders/{order_id}");
  },
  visibility_too_long(stack) {
    consumer(stack, { visibilityTimeout: Duration.seconds(54000) }, {}, {});
  },
  visibility_under_timeout(stack) {
    consumer(stack, { visibilityTimeout: Duration.seconds(45) }, {}, {});
  },
  batch_without_window(stack) {
    consumer(stack, {}, {}, { batchSize: 100 });
  },
  receives_out_of_bounds(stack) {
    const queue = new sqs.Queue(stack, "Dead");
    consumer(stack, { deadLetterQueue: { queue, maxReceiveCount: 2000 } }, {}, {});
  },
  log_retention(stack) {
    new logs.LogGroup(stack, "Logs", { retention: 10 });
  },
  no_item_failures(stack) {
    consumer(stack, {}, {}, { reportBatchItemFailures: false });
  },
  path_unbalanced(stack) {
    routes(stack, {}, "/v1/orders/{order_id");
  },
  route_twice(stack) {
    routes(stack, {}, "/v1/orders", "/v1/orders");
  },
  route_parameter_name(stack) {
    routes(stack, {}, "/v1/orders/{order_id}", "/v1/orders/{name}");
  },
  message_route_twice(stack) {
    const integration = new WebSocketLambdaIntegration("Integration", lambdaFunction(stack, "Live"));
    const api = new gateway.WebSocketApi(stack, "Api");
    api.addRoute("subscribe", { integration });
    api.addRoute("subscribe", { integration });
  },
  message_authorizer(stack) {
    const integration = new WebSocketLambdaIntegration("Integration", lambdaFunction(stack, "Live"));
    new gateway.WebSocketApi(stack, "Api").addRoute("subscribe", { integration, authorizer: new WebSocketIamAuthorizer() });
  },
  stage_default(stack) {
    const webSocketApi = new gateway.WebSocketApi(stack, "Api");
    new gateway.WebSocketStage(stack, "Stage", { webSocketApi, stageName: "$default", autoDeploy: true });
  },
  queue_name_characters(stack) {
    consumer(stack, { queueName: "to ship" }, {}, {});
  },
  queue_name_length(stack) {
    consumer(stack, { queueName: "s".repeat(81) }, {}, {});
  },
  table_name_twice(stack) {
    table(stack, { tableName: "orders" });
    new dynamodb.TableV2(stack, "Archive", { tableName: "orders", partitionKey: { name: "order_id", type: STRING } });
  },
  dangling_reference(stack) {
    base(stack);
    new CfnOutput(stack, "Url", { value: Fn.ref("Shipmnets") });
  },
  route_without_function(stack) {
    lambdaFunction(stack, "Orders Function");
    new gateway.HttpApi(stack, "Api").addRoutes({ path: "/v1/orders", methods: [gateway.HttpMethod.GET] });
  },
  grant_missing(stack) {
    // The handler puts items: see `grant_missing` in handlers.ts.
    const orders = table(stack);
    orders.grantReadData(lambdaFunction(stack, "Ship", { environment: { ORDERS_TABLE: orders.tableName } }));
  },
  grant_of_other_kind(stack) {
    table(stack).grantSendMessages(lambdaFunction(stack, "Ship"));
  },
  index_not_granted(stack) {
    const orders = table(stack);
    const statement = new iam.PolicyStatement({ actions: ["dynamodb:Query"], resources: [orders.tableArn] });
    lambdaFunction(stack, "Ship").addToRolePolicy(statement);
  },
  action_wildcard(stack) {
    const statement = new iam.PolicyStatement({ actions: ["dynamodb:*"], resources: [table(stack).tableArn] });
    lambdaFunction(stack, "Ship").addToRolePolicy(statement);
  },
  action_misspelt(stack) {
    const statement = new iam.PolicyStatement({ actions: ["dynamodb:GetItme"], resources: [table(stack).tableArn] });
    lambdaFunction(stack, "Ship").addToRolePolicy(statement);
  },
  action_other_service(stack) {
    const resources = [`arn:aws:sns:eu-central-1:123456789012:alerts`];
    const statement = new iam.PolicyStatement({ actions: ["lambda:InvokeFunction"], resources });
    lambdaFunction(stack, "Ship").addToRolePolicy(statement);
  },
  resource_everything(stack) {
    const statement = new iam.PolicyStatement({ actions: ["dynamodb:GetItem"], resources: ["*"] });
    lambdaFunction(stack, "Ship").addToRolePolicy(statement);
  },
  grant_unused(stack) {
    table(stack).grantReadWriteData(lambdaFunction(stack, "Ship"));
  },
  secret_in_environment(stack) {
    const KEY = SecretValue.secretsManager("billing").unsafeUnwrap();
    lambdaFunction(stack, "Ship", { environment: { KEY } });
  },
  ttl_declared_text(stack) {
    // The construct has no type for the attribute.
    table(stack, { timeToLiveAttribute: "expires_at" });
  },
  attribute_two_types(stack) {
    const globalSecondaryIndexes = [
      {
        indexName: "by_customer",
        partitionKey: { name: "customer_id", type: STRING },
        sortKey: { name: "ordered_at", type: STRING },
      },
    ];
    table(stack, { sortKey: { name: "ordered_at", type: NUMBER }, globalSecondaryIndexes });
  },
  data_without_policy(stack) {
    new sqs.Queue(stack, "Shipments");
  },
  variables_too_large(stack) {
    lambdaFunction(stack, "Ship", { environment: { ORIGINS: "https://tenant.example.com ".repeat(200) } });
  },
  code_missing(stack) {
    lambdaFunction(stack, "Ship", { code: lambda.Code.fromAsset(join(__dirname, "no-such-folder")) });
  },
  handler_missing(stack) {
    lambdaFunction(stack, "Ship", { handler: "index.handle" });
  },
};

/** Writes templates to the folder of the argument, and prints a line of JSON on the synthesis of each mistake. */
function main(folder: string) {
  for (const [name, make] of Object.entries(mistakes)) {
    const outdir = join(folder, name);
    mkdirSync(outdir, { recursive: true });
    let error = "";
    let warnings: string[] = [];
    try {
      const app = new App({ outdir, analyticsReporting: false });
      const stack = new Stack(app, "Seeded", { env: { region: "eu-central-1", account: "123456789012" } });
      make(stack);
      const artifact = app.synth().getStackByName("Seeded");
      warnings = artifact.messages.map(({ entry }) => String(entry.data));
      writeFileSync(join(folder, `${name}.json`), JSON.stringify(artifact.template));
    } catch (thrown) {
      error = String(thrown);
    }
    console.log(JSON.stringify({ name, error, warnings }));
  }
}

main(process.argv[2] ?? "out");
