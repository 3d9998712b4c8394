"""The retry policy, redirects and errors of the transports, against httpx's mock transport."""

from __future__ import annotations

import asyncio
import json
import pickle
from collections.abc import Callable, Iterator

import httpx
import pytest

import stagecast
from stagecast._transport import (
    Answer,
    AsyncTransport,
    Request,
    RetryPolicy,
    Transport,
    chunks,
    json_request,
    retry_after_seconds,
)

Handler = Callable[[httpx.Request], httpx.Response]
FAST = RetryPolicy(attempts=4, base=0.0, cap=0.0)


def send_sync(handler: Handler, request: Request) -> Answer:
    with httpx.Client(transport=httpx.MockTransport(handler)) as client:
        return Transport("https://api.test/stage/", client=client).send(request)


def send_async(handler: Handler, request: Request) -> Answer:
    async def run() -> Answer:
        async with httpx.AsyncClient(transport=httpx.MockTransport(handler)) as client:
            return await AsyncTransport("https://api.test/stage/", client=client).send(request)

    return asyncio.run(run())


@pytest.fixture(params=[send_sync, send_async], ids=["sync", "async"])
def send(request: pytest.FixtureRequest) -> Callable[[Handler, Request], Answer]:
    found: Callable[[Handler, Request], Answer] = request.param
    return found


Send = Callable[[Handler, Request], Answer]


def scripted(*outcomes: httpx.Response | Exception) -> tuple[Handler, list[httpx.Request]]:
    seen: list[httpx.Request] = []
    rest: Iterator[httpx.Response | Exception] = iter(outcomes)

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        outcome = next(rest)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return handler, seen


def test_path_is_appended_to_the_path_of_the_base(send: Send) -> None:
    handler, seen = scripted(httpx.Response(200, json={"a": 1}))
    assert send(handler, Request("GET", "/v1/jobs", params={"queue": "a b"})).json() == {"a": 1}
    assert str(seen[0].url) == "https://api.test/stage/v1/jobs?queue=a+b"


def test_throttle_faults_and_network_errors_are_retried_with_the_same_body(send: Send) -> None:
    handler, seen = scripted(
        httpx.Response(429, json={"message": "Too Many Requests"}),
        httpx.Response(503, json={"error": {"code": "conflict_retry", "message": "again"}}),
        httpx.ReadTimeout("late"),
        httpx.Response(200, json={}),
    )
    send(handler, json_request("POST", "/v1/x", {"a": 1}, key="k", policy=FAST))
    assert [request.content for request in seen] == [b'{"a":1}'] * 4
    assert {request.headers["content-type"] for request in seen} == {"application/octet-stream"}


def test_last_attempt_raises_the_error_of_its_answer(send: Send) -> None:
    handler, seen = scripted(*[httpx.Response(500, text="<html>") for _ in range(4)])
    with pytest.raises(stagecast.ServerError) as raised:
        send(handler, Request("GET", "/", policy=FAST))
    assert (raised.value.code, raised.value.status, len(seen)) == ("http_500", 500, 4)


def test_network_error_of_the_last_attempt_raises_transport_error_without_the_query(send: Send) -> None:
    handler, _ = scripted(*[httpx.ConnectError("refused") for _ in range(4)])
    with pytest.raises(stagecast.TransportError) as raised:
        send(handler, Request("GET", "/v1/x?access_key=secret", policy=FAST))
    assert "refused" in str(raised.value)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, stagecast.ApiError),
        (401, stagecast.ForbiddenError),
        (403, stagecast.ForbiddenError),
        (404, stagecast.NotFoundError),
        (409, stagecast.ConflictError),
    ],
)
def test_refused_request_is_not_repeated(send: Send, status: int, kind: type[stagecast.ApiError]) -> None:
    error = {"code": "job_held", "message": "held", "request_id": "req_1", "retry_after_seconds": 3}
    handler, seen = scripted(httpx.Response(status, json={"error": error}))
    with pytest.raises(kind) as raised:
        send(handler, Request("GET", "/", policy=FAST))
    refused = raised.value
    assert (refused.code, refused.message, refused.request_id) == ("job_held", "held", "req_1")
    assert refused.details == {"retry_after_seconds": 3}
    assert len(seen) == 1


def test_key_is_not_sent_to_the_target_of_a_redirect(send: Send) -> None:
    handler, seen = scripted(
        httpx.Response(307, headers={"location": "/v1/moved"}),
        httpx.Response(307, headers={"location": "https://bucket.test/object?signature=s"}),
        httpx.Response(200, content=b"body"),
    )
    assert send(handler, Request("GET", "/v1/input", key="secret")).content == b"body"
    assert [request.headers.get("authorization") for request in seen] == ["Bearer secret", None, None]


def test_failed_presigned_url_is_asked_for_again(send: Send) -> None:
    handler, seen = scripted(
        httpx.Response(307, headers={"location": "https://bucket.test/1"}),
        httpx.Response(503),
        httpx.Response(307, headers={"location": "https://bucket.test/2"}),
        httpx.Response(200),
    )
    send(handler, Request("GET", "/v1/input", key="k", policy=FAST))
    assert [request.url.host for request in seen] == ["api.test", "bucket.test", "api.test", "bucket.test"]
    assert [request.headers.get("authorization") for request in seen] == ["Bearer k", None, "Bearer k", None]


def test_code_of_a_refusal_of_s3_is_read_from_its_xml(send: Send) -> None:
    body = b"<Error><Code>BadDigest</Code><Message>No match.</Message><RequestId>r</RequestId></Error>"
    handler, _ = scripted(httpx.Response(400, content=body))
    with pytest.raises(stagecast.ApiError, match="BadDigest: No match") as caught:
        send(handler, Request("PUT", "https://bucket.test/object"))
    assert caught.value.request_id == "r"


def test_endless_redirects_end(send: Send) -> None:
    handler, _ = scripted(*[httpx.Response(302, headers={"location": "/again"}) for _ in range(9)])
    with pytest.raises(stagecast.TransportError, match="redirects"):
        send(handler, Request("GET", "/"))


def test_body_function_is_called_for_each_attempt() -> None:
    handler, seen = scripted(httpx.Response(500), httpx.Response(200))
    send_sync(handler, Request("PUT", "/", content=lambda: iter([b"a", b"b"]), policy=FAST))
    assert [request.read() for request in seen] == [b"ab", b"ab"]


def test_streamed_body_is_read_in_chunks_and_closed() -> None:
    handler, _ = scripted(httpx.Response(200, content=b"x" * 10))
    with httpx.Client(transport=httpx.MockTransport(handler)) as client:
        answer = Transport("https://api.test", client=client).send(Request("GET", "/", stream=True))
        assert b"".join(chunks(answer, 4)) == b"x" * 10
        assert answer.raw.is_closed


def test_requests_are_not_in_the_log_of_httpx(send: Send, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    handler, _ = scripted(
        httpx.Response(307, headers={"location": "https://bucket.test/x?signature=secret"}), httpx.Response(200)
    )
    send(handler, Request("GET", "/v1/input"))
    assert caplog.text == ""


def test_json_with_nan_is_refused_before_it_is_sent() -> None:
    with pytest.raises(ValueError, match="JSON"):
        json_request("POST", "/", {"a": float("nan")})


def test_answer_that_is_not_json_raises_transport_error() -> None:
    handler, _ = scripted(httpx.Response(200, text="<html>"))
    with pytest.raises(stagecast.TransportError, match="not JSON"):
        send_sync(handler, Request("GET", "/")).json()


def test_delay_is_full_jitter_and_at_least_retry_after() -> None:
    policy = RetryPolicy(base=1, cap=8)
    delays = [policy.delay(retry) for retry in range(1, 12) for _ in range(50)]
    assert all(0 <= delay <= 8 for delay in delays)
    assert max(policy.delay(1) for _ in range(50)) <= 2
    assert 5 <= policy.delay(1, retry_after=5) <= 7


@pytest.mark.parametrize(("text", "seconds"), [("5", 5.0), ("0.5", 0.5), ("-1", None), ("soon", None), ("nan", None)])
def test_retry_after_takes_seconds_only(text: str, seconds: float | None) -> None:
    assert retry_after_seconds({"retry-after": text}) == seconds


@pytest.mark.parametrize("url", ["", "api.example.com", "ws://api.example.com", "https://"])
def test_address_that_is_no_http_url_is_refused(url: str) -> None:
    with pytest.raises(stagecast.ConfigurationError, match="expected the address"):
        Transport(url)


def test_error_survives_pickling() -> None:
    error = stagecast.ConflictError("held", code="job_held", status=409, details={"a": 1})
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), copy.code, copy.status, copy.details, str(copy)) == (
        stagecast.ConflictError,
        "job_held",
        409,
        {"a": 1},
        "job_held: held (HTTP 409)",
    )
    assert pickle.loads(pickle.dumps(stagecast.Failure("no_speech", "silent"))).code == "no_speech"
    assert json.dumps(copy.details)
