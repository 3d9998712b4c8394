"""Tests the error handling of the Python examples against a fake service.

    pip install -r examples/python/requirements.txt
    python examples/python_test.py
"""

import contextlib
import http.server
import json
import pathlib
import sys
import threading
import unittest
from unittest import mock

from websockets.sync.server import serve

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE / "python"), str(HERE / "python-worker")]
import stagecast  # noqa: E402
import watch  # noqa: E402

CLAIM = {"epoch": 1, "seq": 0, "cancel_requested": False, "finished": []}


@contextlib.contextmanager
def service(answers, host="127.0.0.1"):
    """A server with these responses, each `(status, headers, body)`. Yields its URL and the list of requests."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.rfile.read(int(self.headers.get("content-length", 0)))
            asked.append((self.path, self.headers.get("authorization")))
            status, headers, body = answers.pop(0)
            self.send_response(status)
            for name, value in {"content-length": len(body), **headers}.items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer((host, 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://{host}:{server.server_port}", asked
        finally:
            server.shutdown()


def ok(answer):
    return 200, {}, json.dumps(answer).encode()


@mock.patch("time.sleep")
class WorkerTest(unittest.TestCase):
    def test_large_results_of_a_claim_are_fetched_without_leaking_the_key(self, _):
        with service([ok({"many": "rooms"})]) as (store, asked_there):
            finished = [
                {"stage": "one", "results": {"few": 1}},
                {"stage": "two", "results": None, "results_url": "/v1/jobs/job_1/results?stage=two"},
                {"stage": "three", "results": None},
            ]
            moved = (303, {"location": f"{store}/object?signature=1"}, b"")
            with service([ok({**CLAIM, "finished": finished}), moved]) as (url, asked):
                job = stagecast.Job(url, "job_1", "secret", ["one", "two", "three", "four"])
        self.assertEqual(job.finished, {"one": {"few": 1}, "two": {"many": "rooms"}, "three": None})
        self.assertEqual(asked[1], ("/v1/jobs/job_1/results?stage=two", "Bearer secret"))
        self.assertEqual(asked_there, [("/object?signature=1", None)])

    def test_truncated_response_is_requested_again(self, _):
        with service([(200, {"content-length": 100}, b'{"epoch":'), ok(CLAIM)]) as (url, asked):
            stagecast.Job(url, "job_1", "secret", ["one"])
        self.assertEqual(len(asked), 2)

    def test_rejection_has_the_best_available_message(self, _):
        refusals = [
            (b'{"error":{"code":"forbidden","message":"the key is wrong"}}', "forbidden", "the key is wrong"),
            (b'{"message":"Forbidden"}', "403", "Forbidden"),
            (b"<html>no</html>", "403", "Forbidden"),
            (b"[]", "403", "Forbidden"),
        ]
        for body, code, words in refusals:
            with self.subTest(body=body), service([(403, {}, body)]) as (url, _asked):
                with self.assertRaises(stagecast.Refused) as refused:
                    stagecast.Job(url, "job_1", "secret", ["one"])
                self.assertEqual((refused.exception.code, str(refused.exception)), (code, words))


@mock.patch("time.sleep")
class WatchTest(unittest.TestCase):
    def test_rejected_handshake_and_untyped_frame_are_retried(self, _):
        end = {"type": "job_complete", "seq": 1, "results": None}
        trouble = {"type": "error", "code": "internal", "message": "try again"}
        frames = [{"message": "Internal server error", "connectionId": "a="}, trouble, end]
        refusals = [503]

        def refuse(connection, _request):
            return connection.respond(refusals.pop(), "no") if refusals else None

        def answer(connection):
            connection.recv()
            connection.send(json.dumps(frames.pop(0)))

        with serve(answer, "127.0.0.1", 0, process_request=refuse) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            port = server.socket.getsockname()[1]
            job = {"websocket_url": f"ws://127.0.0.1:{port}", "job_id": "job_1", "access_key": "secret"}
            self.assertEqual(list(watch.messages(job)), [end])
            server.shutdown()

    def test_large_results_of_a_message_are_fetched_without_leaking_the_key(self, _):
        message = {"type": "job_complete", "results": None, "results_url": "/v1/jobs/job_1/results"}
        with service([ok({"many": "rooms"})]) as (store, asked_there):
            moved = (307, {"location": f"{store}/object?signature=1"}, b"")
            with service([moved]) as (url, asked), mock.patch.object(watch, "URL", url):
                found = watch.results({"access_key": "secret"}, message)
        self.assertEqual(found, {"many": "rooms"})
        self.assertEqual(asked, [("/v1/jobs/job_1/results", "Bearer secret")])
        self.assertEqual(asked_there, [("/object?signature=1", None)])


if __name__ == "__main__":
    unittest.main()
