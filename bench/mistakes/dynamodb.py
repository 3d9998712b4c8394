"""What DynamoDB of the local stack refuses, of the mistakes of handlers.

Usage: python3 dynamodb.py URL, with the address of a running `cargo dev`. Prints a line of JSON with the error of each mistake,
empty if the request is accepted. The table `job_events` has the key `job_id` (a text) and `seq` (a number).
"""

import json
import sys

import boto3
from botocore.exceptions import ClientError

TABLE = "job_events"
KEY = {"job_id": {"S": "job_1"}, "seq": {"N": "1"}}
ONE = {":one": {"N": "1"}}


def requests(client):
    """For each mistake, the request that has it."""

    def put(**item):
        return lambda: client.put_item(TableName=TABLE, Item=item)

    def get(**key):
        return lambda: client.get_item(TableName=TABLE, Key=key)

    def update(expression, **more):
        return lambda: client.update_item(
            TableName=TABLE, Key=KEY, UpdateExpression=expression, ExpressionAttributeValues=ONE, **more
        )

    def query(**more):
        return lambda: client.query(
            TableName=TABLE, KeyConditionExpression="amount = :one", ExpressionAttributeValues=ONE, **more
        )

    return {
        "none": update("SET amount = :one"),
        "key_without_sort": get(job_id={"S": "job_1"}),
        "key_unknown_attribute": get(job={"S": "job_1"}, seq={"N": "1"}),
        "key_number_as_text": put(job_id={"S": "job_1"}, seq={"S": "1"}),
        "number_as_text": put(**KEY, amount={"S": "12"}),
        "ttl_as_text": put(**KEY, expires_at={"S": "1796000000"}),
        "item_of_other_table": put(connection_id={"S": "1"}),
        "index_of_other_table": query(IndexName="by_country"),
        "query_not_key": query(),
        "expression_syntax": update("STE amount = :one"),
        "expression_attribute": update("SET amuont = :one"),
        "reserved_word": update("SET status = :one"),
        "placeholder_undefined": update("SET amount = :two"),
        "placeholder_unused": update("SET amount = :one", ExpressionAttributeNames={"#status": "status"}),
    }


def main(url):
    client = boto3.client(
        "dynamodb", endpoint_url=url, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )
    for name, request in requests(client).items():
        try:
            request()
            error = ""
        except ClientError as refused:
            error = refused.response["Error"]["Message"]
        print(json.dumps({"name": name, "error": error}))
    client.delete_item(TableName=TABLE, Key=KEY)


if __name__ == "__main__":
    main(sys.argv[1])
