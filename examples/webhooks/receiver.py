"""Receives webhooks, verifies them, and prints each event once.

    pip install -r requirements.txt
    WEBHOOK_SECRET=whsec_... python receiver.py 9000
"""

import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook, WebhookVerificationError

webhook = Webhook(os.environ["WEBHOOK_SECRET"])
# In a service, a unique column of a database, in the transaction that handles the event.
handled: set[str] = set()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            event = webhook.verify(body, dict(self.headers))
        except WebhookVerificationError as error:
            print(f"refused: {error}", flush=True)
            self.reply(400)
            return
        webhook_id = self.headers["webhook-id"]
        if webhook_id not in handled:
            handled.add(webhook_id)
            job = event["data"]
            print(f"{event['type']} of {job['job_id']}, seq {job['seq']}", flush=True)
        self.reply(204)

    def reply(self, status: int) -> None:
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver)
print(f"http://127.0.0.1:{server.server_port}/hook", flush=True)
server.serve_forever()
