"""The HTTP clients that Python programs use, as they are on PyPI: over `socket`, and so over wasi:sockets."""
import encodings.idna  # Found by the name resolution when it runs, and there is nothing to load from then.
import socket
import sys
import types

# urllib3 tries a socket of IPv6 when it is imported: that is when the component is built, and what libc remembers of it
# would be no handle of the run's.
socket.has_ipv6 = False

import requests
import urllib3

try:
    import ssl
except ImportError:
    # This CPython has none. httpcore names a few of its classes, and needs them for https alone.
    ssl = types.ModuleType("ssl")
    for name in ("SSLContext", "SSLError", "SSLObject", "SSLSocket", "SSLWantReadError", "SSLZeroReturnError"):
        setattr(ssl, name, type(name, (Exception,), {}))
    sys.modules["ssl"] = ssl

import httpcore  # Imported by httpx when it is first used, like `anyio` and `h11` by this one.
import httpx
from componentize_py_types import Err
from wit_world import exports


class Api(exports.Api):
    def get_urllib3(self, url):
        def ask():
            response = urllib3.PoolManager(retries=False).request("GET", url, headers={"x-by": "urllib3"}, timeout=10)
            return f"{response.status} {response.data.decode()}"

        return told(ask)

    def get_requests(self, url):
        def ask():
            response = requests.get(url, headers={"x-by": "requests"}, timeout=10)
            return f"{response.status_code} {response.text}"

        return told(ask)

    def get_httpx(self, url):
        def ask():
            response = httpx.get(url, headers={"x-by": "httpx"}, timeout=10, verify=ssl.SSLContext())
            return f"{response.status_code} {response.text}"

        return told(ask)


def told(ask):
    try:
        return ask()
    except Exception as error:
        raise Err(f"{type(error).__name__}: {error}")
