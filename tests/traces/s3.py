"""A real server that speaks S3, on this machine, for tests of stores that many write to."""

from __future__ import annotations

import logging
import os
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

KEYS = {
    "AWS_ACCESS_KEY_ID": "nobody",
    "AWS_SECRET_ACCESS_KEY": "nothing",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@contextmanager
def server(port: int = 0) -> Iterator[int]:
    """Inside, moto's server runs; its port. What is written is gone when it stops."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    running.start()
    try:
        yield running.get_host_and_port()[1]
    finally:
        running.stop()


def store_uri(port: int, bucket: str) -> str:
    """A store in a bucket that is made if it is not there."""
    import pyarrow.fs as pafs

    os.environ.update(KEYS)
    pafs.S3FileSystem(
        endpoint_override=f"127.0.0.1:{port}", scheme="http", allow_bucket_creation=True
    ).create_dir(bucket)
    return f"s3://{bucket}/traces?endpoint_override=127.0.0.1:{port}&scheme=http"


class Wire:
    """A line to a server on this machine. It breaks in the middle of what is sent with a request that fits a pattern."""

    def __init__(self, server: int) -> None:
        self._server, self._pattern, self._open = server, None, []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.broken = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def break_in(self, request: bytes) -> None:
        self._pattern = re.compile(request)

    def mend(self) -> None:
        self._pattern = None
        self.broken.clear()

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            if self.broken.is_set():
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self._server))
            self._open += [client, server]
            for ends, sends in (((client, server), True), ((server, client), False)):
                threading.Thread(target=self._carry, args=(*ends, sends), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, sends: bool) -> None:
        with suppress(OSError), source, target:
            while data := source.recv(4096):
                if sends and self._pattern is not None and self._pattern.search(data):
                    target.sendall(data[: len(data) // 2])
                    self.broken.set()
                    for one in self._open:
                        with suppress(OSError):  # closed before
                            one.shutdown(socket.SHUT_RDWR)
                    return
                target.sendall(data)
