"""HTTP and sockets as a Python vendor uses them: componentize-py's bindings and event loop, and the standard library."""
import asyncio
import encodings.idna  # Found by the name resolution when it runs, and there is nothing to load from then.
import socket
import urllib.request
from urllib.parse import urlparse

import poll_loop
from poll_loop import PollLoop, Stream
from wit_world import exports
from wit_world.imports.types import Fields, Method_Get, OutgoingRequest, Scheme_Http
from componentize_py_types import Err


class Api(exports.Api):
    def get(self, url):
        return told(url, request)

    def get_urllib(self, url):
        try:
            with urllib.request.urlopen(url, timeout=10) as response:
                return f"{response.status} {response.read().decode()}"
        except OSError as error:
            raise Err(str(error))

    def tcp(self, host, port, text):
        try:
            with socket.create_connection((host, port), timeout=10) as stream:
                stream.sendall(text.encode())
                stream.shutdown(socket.SHUT_WR)
                answer = b""
                while piece := stream.recv(65536):
                    answer += piece
                peer, at = stream.getpeername()
                return f"{peer}:{at} {answer.decode()}"
        except OSError as error:
            raise Err(str(error))


def told(url, how):
    loop = PollLoop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(how(url))
    except Err as error:
        raise Err(type(error.value).__name__)


async def request(url):
    parts = urlparse(url)
    outgoing = OutgoingRequest(Fields.from_list([("x-by", b"bindings")]))
    outgoing.set_method(Method_Get())
    outgoing.set_scheme(Scheme_Http())
    outgoing.set_authority(parts.netloc)
    outgoing.set_path_with_query(parts.path)
    response = await poll_loop.send(outgoing)
    stream = Stream(response.consume())
    body = b""
    while True:
        piece = await stream.next()
        if piece is None:
            return f"{response.status()} {body.decode()}"
        body += piece
