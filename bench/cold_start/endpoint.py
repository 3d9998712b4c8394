"""A fake AWS endpoint for a function's first connection: endpoint.py CERTIFICATE KEY. Rejects every request over TLS with a
403, and prints its address as a line of JSON."""

import json
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Refusing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Without this, the response waits until the client acknowledges its head.
    wbufsize = -1

    def refuse(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(403)
        self.send_header("content-length", "0")
        self.end_headers()

    do_GET = do_POST = do_HEAD = refuse

    def log_message(self, *_):
        pass


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
print(json.dumps({"address": "%s:%d" % server.server_address}), flush=True)
server.serve_forever()
