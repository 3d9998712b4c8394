"""What a function in Python would begin with: the same two clients that ours have."""

import os

import boto3

dynamodb = boto3.client("dynamodb")
connections = boto3.client("apigatewaymanagementapi", endpoint_url=os.environ["WEBSOCKET_ENDPOINT"])


def handle(event, context):
    return {"statusCode": 200}
