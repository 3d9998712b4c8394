"""Creates a job for an external worker from a text, and prints the response.

    python examples/python-worker/submit.py README.md | python examples/python-worker/worker.py
"""

import os
import sys
import urllib.request

URL = os.environ.get("STAGECAST_URL", "http://127.0.0.1:4800")

with open(sys.argv[1], "rb") as file:
    headers = {"content-type": "text/plain; charset=utf-8"}
    request = urllib.request.Request(f"{URL}/v1/jobs?worker=external", file.read(), headers)
with urllib.request.urlopen(request) as answer:
    print(answer.read().decode())
