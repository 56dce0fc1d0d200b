"""A real server that speaks S3, on this machine, for tests of stores that many write to."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

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
