"""The seeded mistakes of handlers, one function for each, in Python. They are those of ../cdk/handlers.ts."""

import json
import os
import threading
import time

import boto3

client = boto3.client("dynamodb")
TABLE = os.environ.get("ORDERS_TABLE", "")
KEY = {"order_id": {"S": "1"}, "line": {"N": "1"}}


def none(event, context):
    return {"statusCode": 200, "body": json.dumps(client.get_item(TableName=TABLE, Key=KEY)["Item"])}


def route_unhandled(event, context):
    # The stack has the route `DELETE /v1/orders/{order_id}`, too.
    match event["routeKey"]:
        case "GET /v1/orders/{order_id}":
            return {"statusCode": 200}
        case _:
            return {"statusCode": 404}


def route_unknown(event, context):
    return {"statusCode": 200 if event["routeKey"] == "PATCH /v1/orders/{order_id}" else 404}


def variable_not_given():
    return client.get_item(TableName=os.environ["ORDERS_TABEL"], Key=KEY)


def variable_read_directly():
    return os.environ.get("MAX_ITEMS", "10")


def client_without_grants():
    return boto3.client("dynamodb").get_item(TableName="orders", Key=KEY)


def grant_missing():
    return client.put_item(TableName=TABLE, Item=KEY)


def key_without_sort():
    return client.get_item(TableName=TABLE, Key={"order_id": {"S": "1"}})


def key_unknown_attribute():
    return client.get_item(TableName=TABLE, Key={"order": {"S": "1"}, "line": {"N": "1"}})


def key_number_as_text():
    return client.get_item(TableName=TABLE, Key={"order_id": {"S": "1"}, "line": {"S": "1"}})


def number_as_text():
    return client.put_item(TableName=TABLE, Item=KEY | {"amount": {"S": "12"}})


def ttl_as_text():
    return client.put_item(TableName=TABLE, Item=KEY | {"expires_at": {"S": "1796000000"}})


def item_of_other_table():
    return client.put_item(TableName=TABLE, Item={"customer_id": {"S": "1"}, "name": {"S": "Ada"}})


def index_of_other_table():
    return client.query(
        TableName=TABLE,
        IndexName="by_country",
        KeyConditionExpression="country = :country",
        ExpressionAttributeValues={":country": {"S": "AT"}},
    )


def query_not_key():
    return client.query(
        TableName=TABLE,
        KeyConditionExpression="amount = :amount",
        ExpressionAttributeValues={":amount": {"N": "1"}},
    )


def update(expression, **more):
    one = {":one": {"N": "1"}}
    return client.update_item(TableName=TABLE, Key=KEY, UpdateExpression=expression, ExpressionAttributeValues=one, **more)


def expression_syntax():
    return update("STE amount = :one")


def expression_attribute():
    return update("SET amuont = :one")


def reserved_word():
    return update("SET status = :one")


def placeholder_undefined():
    return update("SET amount = :two")


def placeholder_unused():
    return update("SET amount = :one", ExpressionAttributeNames={"#status": "status"})


def batch_throws(event, context):
    for record in event["Records"]:
        json.loads(record["body"])


def batch_misspelt(event, context):
    return {"batchItemFailure": [{"itemIdentifier": record["messageId"]} for record in event["Records"]]}


def batch_misspelt_id(event, context):
    return {"batchItemFailures": [{"itemId": record["messageId"]} for record in event["Records"]]}


def message_of_other_type():
    return json.dumps({"orderid": "1"})


def status_undescribed(event, context):
    return {"statusCode": 418}


def secret_logged(key):
    print(f"signing with {key}")


async def blocking_call(event, context):
    time.sleep(1)


def work_after_response(event, context):
    threading.Thread(target=grant_missing).start()
    return {"statusCode": 202}


def frame_too_large():
    return json.dumps({"type": "report", "text": "x" * 200 * 1024})
