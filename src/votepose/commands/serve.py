"""`votepose serve`: serves poses over HTTP, with a web page to try it."""

from __future__ import annotations

import ipaddress
import logging
import math
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from votepose.commands.model_options import ModelOptions
from votepose.errors import VoteposeError
from votepose.inference.weights import ACCURATE, FAST, resolve_weights
from votepose.io.images import MAX_PIXELS
from votepose.predictor import Predictor
from votepose.server.limits import MIB, Limits

GROUPS = {  # of the options in --help
    "limit": ("workers", "queue", "timeout", "max_megabytes", "max_batch", "max_megapixels", "max_input_size"),
    "operation": ("api_key_file", "access_log", "log_level", "graceful_timeout"),
}


@dataclass(frozen=True)
class ServeConfig:
    """Serve poses over HTTP, with a web page to try it."""

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 makes the server reachable from the network."""
    port: Annotated[int, tyro.conf.arg(aliases=["-p"])] = 8000
    """Port to listen on; 0 chooses a free port."""
    workers: int = Limits.workers
    """Images processed at the same time."""
    queue: int = Limits.queue
    """Requests that may wait for a worker; further ones get status 503."""
    timeout: float = Limits.timeout
    """Seconds until a request times out with status 504."""
    max_megabytes: float = Limits.max_bytes / MIB
    """Maximum size of an upload in MiB, for a batch of all files together; larger ones get status 413."""
    max_batch: int = Limits.max_batch
    """Maximum number of images in a batch; larger batches get status 413."""
    max_megapixels: float = Limits.max_pixels / 1e6
    """Maximum size of an image in megapixels; larger ones get status 413."""
    max_input_size: int = Limits.max_input_size
    """Largest input size that a request may set."""
    cors: tuple[str, ...] = ()
    """Other origins whose pages may use the server, such as https://app.example; * for any."""
    api_key_file: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """File with one API key per line; a request must send one of them. Default: the key in VOTEPOSE_API_KEY, if any."""
    access_log: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """File for a JSON object per request; - for standard output. Log rotation may move it."""
    graceful_timeout: float = 8.0
    """Seconds for requests in progress to finish when the server is stopped."""
    log_level: Literal["error", "warning", "info", "debug"] = "warning"
    """Level of messages on stderr; info adds a line per request, unless --access-log is given."""
    model: ModelOptions = field(default_factory=ModelOptions)


def run(config: ServeConfig) -> int:
    """Serve until SIGINT or SIGTERM; requests in progress are still answered.

    Returns:
        0 when stopped.

    Raises:
        VoteposeError: if the server cannot listen on the address, or an option or the weights cannot be used.
    """
    import uvicorn

    from votepose.server.access_log import open_access_log
    from votepose.server.app import create_app
    from votepose.server.cors import check_origins
    from votepose.server.keys import read_keys

    limits = _limits(config)
    check_origins(config.cors)
    keys = read_keys(config.api_key_file)
    access_log = open_access_log(config.access_log) if config.access_log else None
    with _listen(config.host, config.port) as listener:
        predictor, others = _models(config.model)
        logging.basicConfig(format="%(levelname)s: %(message)s")
        logging.getLogger("python_multipart").setLevel("ERROR")  # one line per malformed form would flood the log
        app = create_app(predictor, limits, config.cors, others, keys, access_log, stopping=lambda: server.should_exit)
        settings = uvicorn.Config(
            app,
            log_level=config.log_level,
            access_log=access_log is None,
            server_header=False,
            limit_concurrency=limits.workers + limits.queue + 1000,  # connections, most idle or about to be refused
            timeout_graceful_shutdown=config.graceful_timeout,  # type: ignore[arg-type]  # asyncio takes floats
        )
        server = uvicorn.Server(settings)
        print(_greeting(config.host, listener, bool(keys)), flush=True)
        for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn raises the signal again when it has stopped
            signal.signal(number, signal.default_int_handler)
        try:
            server.run(sockets=[listener])
        except KeyboardInterrupt:
            print("stopped", flush=True)
    return 0


def _models(options: ModelOptions) -> tuple[Predictor, dict[str, Predictor | Callable[[], Predictor]]]:
    """The default predictor, and those that requests may choose: both bundled models, unless the user has chosen
    one."""
    predictor = options.load()
    if not options.is_left_open:
        return predictor, {}
    resolve_weights(FAST, ".onnx")  # report a missing file at the start, not on the first request
    only = f"use --model {ACCURATE} to serve only that"
    print(f"votepose: the page uses the {FAST} model for the webcam and videos ({only})", file=sys.stderr)
    fast = replace(options, model=FAST)
    return predictor, {ACCURATE: predictor, FAST: fast.load}


def _limits(config: ServeConfig) -> Limits:
    for name, value in (("max-megabytes", config.max_megabytes), ("max-megapixels", config.max_megapixels)):
        if not 0 < value < math.inf:
            raise VoteposeError(f"--{name} should be a positive number, but is {value:g}")
    if config.max_megapixels > MAX_PIXELS / 1e6:
        most = int(MAX_PIXELS / 1e6)
        raise VoteposeError(f"--max-megapixels should be at most {most}, but is {config.max_megapixels:g}")
    if not 0 <= config.graceful_timeout < math.inf:
        raise VoteposeError(f"--graceful-timeout should be at least 0 seconds, but is {config.graceful_timeout:g}")
    return Limits(
        max_bytes=int(config.max_megabytes * MIB),
        max_batch=config.max_batch,
        max_pixels=int(config.max_megapixels * 1e6),
        max_input_size=config.max_input_size,
        workers=config.workers,
        queue=config.queue,
        timeout=config.timeout,
    )


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65535:
        raise VoteposeError(f"--port should be in [0, 65535], but is {port}")
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, UnicodeError) as error:
        reason = str(getattr(error, "strerror", None) or error).partition(" (while")[0]
        hint = "choose another --port" if port else "choose another --host"
        raise VoteposeError(f"cannot listen on {host}, port {port}: {reason}; {hint}") from None


def _greeting(host: str, listener: socket.socket, guarded: bool) -> str:
    port = listener.getsockname()[1]
    address = ipaddress.ip_address(listener.getsockname()[0])
    if not address.is_loopback and not guarded:
        print("votepose: anyone who can reach this address can use the server: it has no API key", file=sys.stderr)
    shown = "127.0.0.1" if address.is_unspecified and address.version == 4 else f"[{host}]" if ":" in host else host
    return f"votepose serves on http://{shown}:{port} (Ctrl-C stops; API documentation at /docs)"
