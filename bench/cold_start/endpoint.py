"""AWS, as far as a function's first connection is concerned: endpoint.py CERTIFICATE KEY. A fake: it answers every
request with an error over TLS, and prints where it does as a line of JSON."""

import json
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Refusing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Without it the answer waits for the client to acknowledge its head.
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
