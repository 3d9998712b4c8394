"""A minimal handler in Python, with the same two AWS clients as the product's functions."""

import os

import boto3

dynamodb = boto3.client("dynamodb")
connections = boto3.client("apigatewaymanagementapi", endpoint_url=os.environ["WEBSOCKET_ENDPOINT"])


def handle(event, context):
    return {"statusCode": 200}
