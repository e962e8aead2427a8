"""The connections to providers, against a server that answers exactly what a test says, byte by byte."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import closing
from dataclasses import replace

import pytest

from anuma_dash.embedded.gateway.connections import Broken, Connections, Target, Times
from tests.deploy.front import make_certificate

WHOLE = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
UNTIL_THE_END = b"HTTP/1.0 200 OK\r\n\r\nhello"
GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"
HEADERS = [(b"authorization", b"Bearer a-key")]
SECONDS = 30.0


class Provider:
    """Answers the requests of all connections with these bytes in turn; after `None` it hangs up, after "" it waits."""

    def __init__(self, *answers, hang_up=False):
        self.answers = list(answers)
        self.hang_up = hang_up
        self.requests = []
        self.connections = 0
        self.left = asyncio.Event()

    async def __call__(self, reader, writer):
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                self.requests.append((head, await reader.readexactly(length)))
                writer.write(self.answers.pop(0))
                if self.hang_up:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            self.left.set()
        finally:
            writer.close()


def times(byte=SECONDS, total=SECONDS):
    now = asyncio.get_running_loop().time()
    return Times(SECONDS, byte, now + byte, now + total)


async def whole(connections, target, **limits):
    """The whole answer to a request."""
    with closing(await connections.post(target, HEADERS, b"{}", times(**limits))) as answer:
        parts = []
        while part := await answer.read():
            parts.append(part)
        return b"".join(parts)


def run(provider_of, act, trusted=None, serving=None):
    """Run `act(connections, target, provider)` against a provider."""

    async def main():
        provider = provider_of()
        server = await asyncio.start_server(provider, "127.0.0.1", 0, ssl=serving)
        scheme, port = "https" if serving else "http", server.sockets[0].getsockname()[1]
        connections = Connections(trusted)
        try:
            return await act(connections, Target.of(f"{scheme}://localhost:{port}/v1/chat?a=b"), provider)
        finally:
            connections.close()
            server.close()

    return asyncio.run(asyncio.wait_for(main(), 2 * SECONDS))


def test_one_connection_serves_one_request_after_the_other():
    async def act(connections, target, provider):
        assert [await whole(connections, target) for _ in range(3)] == [b"hello"] * 3
        return provider

    provider = run(lambda: Provider(WHOLE, WHOLE, WHOLE), act)
    assert provider.connections == 1
    head, body = provider.requests[0]
    assert head.startswith(b"POST /v1/chat?a=b HTTP/1.1\r\n")
    assert b"localhost:" in head
    assert b"Bearer a-key" in head
    assert body == b"{}"


def test_requests_at_once_have_connections_of_their_own():
    async def act(connections, target, provider):
        assert await asyncio.gather(*(whole(connections, target) for _ in range(5))) == [b"hello"] * 5
        return provider.connections

    assert run(lambda: Provider(*[WHOLE] * 5), act) == 5


@pytest.mark.parametrize(
    ("bytes_", "hang_up", "text"),
    [
        (CHUNKED + b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", False, b"hello"),
        (UNTIL_THE_END, True, b"hello"),
        (GO_ON + GO_ON + WHOLE, False, b"hello"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", False, b""),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: Identity\r\ncontent-length: 5\r\n\r\nhello", False, b"hello"),
    ],
    ids=["chunked", "until the end", "informational", "empty", "not encoded"],
)
def test_an_answer_of_every_shape(bytes_, hang_up, text):
    assert run(
        lambda: Provider(bytes_, hang_up=hang_up), lambda connections, target, _: whole(connections, target)
    ) == (text)


@pytest.mark.parametrize(
    ("bytes_", "hang_up"),
    [
        (b"", True),
        (b"HTTP/1.1 200 OK\r\n", True),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello", True),
        (CHUNKED + b"5\r\nhello\r\n", True),
        (CHUNKED + b"what is this?\r\n", False),
        (b"SSH-2.0-OpenSSH\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nx: " + b"x" * 200_000, False),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello", False),
        (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n", False),
        *(
            (b"HTTP/1.1 200 OK\r\n" + head + b"content-length: 5\r\n\r\nhello", False)
            for head in (
                b"Content-Encoding: gzip\r\n",
                b"content-encoding: br\r\n",
                b"content-encoding: gzip\r\ncontent-encoding: identity\r\n",
            )
        ),
    ],
    ids=[
        *("nothing", "half a head", "half a body", "half the chunks", "no chunk", "no HTTP", "endless head"),
        *("two lengths", "another protocol", "compressed unasked", "otherwise", "twice"),
    ],
)
def test_what_is_no_answer(bytes_, hang_up):
    with pytest.raises(Broken):
        run(lambda: Provider(bytes_, hang_up=hang_up), lambda connections, target, _: whole(connections, target))


def test_what_was_not_asked_for_never_answers_the_next_request():
    async def act(connections, target, provider):
        assert await whole(connections, target) == b"hello"
        assert await whole(connections, target) == b"hello"
        return provider.connections

    smuggled = WHOLE + WHOLE.replace(b"hello", b"other")
    assert run(lambda: Provider(smuggled, WHOLE), act) == 2


def test_a_connection_that_the_provider_has_ended_is_not_used_again():
    async def act(connections, target, provider):
        assert await whole(connections, target) == b"hello"
        assert await whole(connections, target) == b"hello"
        return provider.connections

    assert run(lambda: Provider(WHOLE, WHOLE, hang_up=True), act) == 2


def test_who_asks_for_the_end_of_the_connection_gets_it():
    ends = WHOLE.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")

    async def act(connections, target, provider):
        assert await whole(connections, target) == b"hello"
        assert await whole(connections, target) == b"hello"
        return provider.connections

    assert run(lambda: Provider(ends, WHOLE), act) == 2


@pytest.mark.parametrize("bytes_", [b"", CHUNKED + b"5\r\nhello\r\n"], ids=["silent", "silent in the middle"])
@pytest.mark.parametrize("limits", [{"byte": 0.5}, {"total": 0.5}], ids=["silence", "total"])
def test_who_keeps_silent_is_left(bytes_, limits):
    async def act(connections, target, provider):
        target = replace(target, host="127.0.0.1")  # looking up a name would count too
        with pytest.raises(TimeoutError):
            await whole(connections, target, **limits)
        await provider.left.wait()

    run(lambda: Provider(bytes_), act)


def test_a_limit_that_grew_shorter_holds():
    async def act(connections, target, provider):
        limits = times()
        limits.silence = 0.05
        with closing(await connections.post(target, HEADERS, b"{}", limits)) as answer:
            assert await answer.read() == b"hello"
            with pytest.raises(TimeoutError):
                await answer.read()

    run(lambda: Provider(CHUNKED + b"5\r\nhello\r\n"), act)


def test_leaving_hangs_up_at_once():
    async def act(connections, target, provider):
        task = asyncio.ensure_future(whole(connections, target))
        while not provider.requests:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await provider.left.wait()

    run(lambda: Provider(b""), act)


def test_who_reads_slowly_lets_the_provider_wait():
    size = 30_000_000

    async def act(connections, target, provider):
        with closing(await connections.post(target, HEADERS, b"{}", times())) as answer:
            for _ in range(50):
                await asyncio.sleep(0)
            assert len(answer._connection._unread) < 2_000_000
            read = 0
            while part := await answer.read():
                read += len(part)
            return read

    assert run(lambda: Provider(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size + b"x" * size), act) == size


def test_nobody_listens():
    async def act(connections, _target, _provider):
        with pytest.raises(Broken):
            await whole(connections, Target.of("http://127.0.0.1:9/v1"))

    run(Provider, act)


def test_a_provider_proves_who_it_is(tmp_path):
    make_certificate(tmp_path)
    ours = tmp_path / "fullchain.pem"
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(ours, tmp_path / "privkey.pem")

    async def act(connections, target, _provider):
        return [await whole(connections, target) for _ in range(2)]

    known = ssl.create_default_context(cafile=ours)
    assert run(lambda: Provider(WHOLE, WHOLE), act, trusted=known, serving=serving) == [b"hello"] * 2
    with pytest.raises(Broken):
        run(lambda: Provider(WHOLE, WHOLE), act, serving=serving)
