"""Posts with boto3 from a thread pool: boto3_sender.py ADDRESS CONNECTIONS MESSAGES. Prints a line of JSON."""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import boto3
from botocore.config import Config

ADDRESS, CONNECTIONS, MESSAGES = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
# More threads are not faster, because of the interpreter lock.
THREADS = 16
MESSAGE = (
    b'{"type":"progress_update","job_id":"job_20260115_c48aaa009a75971f","stage":"stage_1",'
    b'"progress":50,"message":"Detecting walls...","estimated_seconds_remaining":15,'
    b'"timestamp":"2026-01-15T10:30:15Z","seq":3,'
    b'"correlation_id":"corr_1705314615_c48aaa009a75971f","overall_progress":25}'
)

client = boto3.client(
    "apigatewaymanagementapi",
    endpoint_url=f"http://{ADDRESS}/_aws/execute-api/api/live",
    config=Config(max_pool_connections=THREADS, retries={"total_max_attempts": 1}),
)


def post(index):
    client.post_to_connection(ConnectionId=f"BFHPhf{index % CONNECTIONS:06}AMCKlQ", Data=MESSAGE)


with ThreadPoolExecutor(THREADS) as pool:
    list(pool.map(post, range(CONNECTIONS // 10)))
    start = time.perf_counter()
    list(pool.map(post, range(CONNECTIONS * MESSAGES)))
    seconds = time.perf_counter() - start
print(json.dumps({"seconds": seconds, "posts": CONNECTIONS * MESSAGES}))
