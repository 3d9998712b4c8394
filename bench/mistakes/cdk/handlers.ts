// The seeded mistakes of handlers, one function for each, as the compiler sees them: with the types of the AWS SDK and of Lambda's
// events. The table `orders` has the key `order_id` (a text) and `line` (a number), and the index `by_customer`.
import { readFileSync } from "node:fs";

import { DynamoDBClient, GetItemCommand, PutItemCommand, QueryCommand, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import type { APIGatewayProxyHandlerV2, SQSHandler } from "aws-lambda";

const client = new DynamoDBClient({});
const TableName = process.env.ORDERS_TABLE;
const Key = { order_id: { S: "1" }, line: { N: "1" } };

export const none: APIGatewayProxyHandlerV2 = async () => {
  const { Item } = await client.send(new GetItemCommand({ TableName, Key }));
  return { statusCode: 200, body: JSON.stringify(Item) };
};

export const route_unhandled: APIGatewayProxyHandlerV2 = async (event) => {
  // The stack has the route `DELETE /v1/orders/{order_id}`, too.
  switch (event.routeKey) {
    case "GET /v1/orders/{order_id}":
      return { statusCode: 200 };
    default:
      return { statusCode: 404 };
  }
};

export const route_unknown: APIGatewayProxyHandlerV2 = async (event) =>
  event.routeKey === "PATCH /v1/orders/{order_id}" ? { statusCode: 200 } : { statusCode: 404 };

export const variable_not_given = () => client.send(new GetItemCommand({ TableName: process.env.ORDERS_TABEL, Key }));

export const variable_read_directly = () => process.env.MAX_ITEMS ?? "10";

export const client_without_grants = () => new DynamoDBClient({}).send(new GetItemCommand({ TableName: "orders", Key }));

export const grant_missing = () => client.send(new PutItemCommand({ TableName, Item: Key }));

export const key_without_sort = () => client.send(new GetItemCommand({ TableName, Key: { order_id: { S: "1" } } }));

export const key_unknown_attribute = () =>
  client.send(new GetItemCommand({ TableName, Key: { order: { S: "1" }, line: { N: "1" } } }));

export const key_number_as_text = () =>
  client.send(new GetItemCommand({ TableName, Key: { order_id: { S: "1" }, line: { S: "1" } } }));

export const number_as_text = () =>
  client.send(new PutItemCommand({ TableName, Item: { ...Key, amount: { S: "12" } } }));

export const ttl_as_text = () =>
  client.send(new PutItemCommand({ TableName, Item: { ...Key, expires_at: { S: "1796000000" } } }));

export const item_of_other_table = () =>
  client.send(new PutItemCommand({ TableName, Item: { customer_id: { S: "1" }, name: { S: "Ada" } } }));

export const index_of_other_table = () =>
  client.send(
    new QueryCommand({
      TableName,
      IndexName: "by_country",
      KeyConditionExpression: "country = :country",
      ExpressionAttributeValues: { ":country": { S: "AT" } },
    }),
  );

export const query_not_key = () =>
  client.send(
    new QueryCommand({
      TableName,
      KeyConditionExpression: "amount = :amount",
      ExpressionAttributeValues: { ":amount": { N: "1" } },
    }),
  );

const update = (UpdateExpression: string, more: Partial<ConstructorParameters<typeof UpdateItemCommand>[0]> = {}) =>
  client.send(
    new UpdateItemCommand({ TableName, Key, UpdateExpression, ExpressionAttributeValues: { ":one": { N: "1" } }, ...more }),
  );

export const expression_syntax = () => update("STE amount = :one");

export const expression_attribute = () => update("SET amuont = :one");

export const reserved_word = () => update("SET status = :one");

export const placeholder_undefined = () => update("SET amount = :two");

export const placeholder_unused = () => update("SET amount = :one", { ExpressionAttributeNames: { "#status": "status" } });

export const batch_throws: SQSHandler = async (event) => {
  for (const record of event.Records) {
    JSON.parse(record.body);
  }
};

export const batch_misspelt: SQSHandler = async (event) => ({
  batchItemFailure: event.Records.map((record) => ({ itemIdentifier: record.messageId })),
});

export const batch_misspelt_id: SQSHandler = async (event) => ({
  batchItemFailures: event.Records.map((record) => ({ itemId: record.messageId })),
});

export const message_of_other_type = () => JSON.stringify({ orderid: "1" });

export const status_undescribed: APIGatewayProxyHandlerV2 = async () => ({ statusCode: 418 });

export const secret_logged = (key: string) => console.log(`signing with ${key}`);

export const blocking_call: APIGatewayProxyHandlerV2 = async () => ({ statusCode: 200, body: readFileSync("/tmp/report", "utf8") });

export const work_after_response: APIGatewayProxyHandlerV2 = async () => {
  client.send(new PutItemCommand({ TableName, Item: Key }));
  return { statusCode: 202 };
};

export const frame_too_large = () => JSON.stringify({ type: "report", text: "x".repeat(200 * 1024) });
