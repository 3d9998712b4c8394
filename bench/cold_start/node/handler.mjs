// A minimal handler for Node, with the same two AWS clients as the product's functions.

import { ApiGatewayManagementApiClient } from "@aws-sdk/client-apigatewaymanagementapi";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";

const dynamodb = new DynamoDBClient({});
const connections = new ApiGatewayManagementApiClient({ endpoint: process.env.WEBSOCKET_ENDPOINT });

export async function handle() {
  return { statusCode: 200, clients: [dynamodb, connections].length };
}
