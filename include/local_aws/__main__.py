"""``python -m local_aws``: local AWS in the foreground."""

from __future__ import annotations

import argparse
import math
import os
import signal
import sys
import threading
from pathlib import Path

from local_aws.images import Image, read_image
from local_aws.settings import Settings

_POLL_INTERVAL = 0.1  # seconds in which the server notices that it is to stop


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM.

    Args:
        arguments: Command line without the program's name; None for the process's own.

    Returns:
        Exit code; 2 where the state folder cannot be used.
    """
    options = _parser().parse_args(arguments)
    defaults = Settings()
    settings = Settings(
        region=options.region,
        images={**defaults.images, **dict(options.image)},
        ping_timeout=options.ping_timeout,
        stop_grace=options.stop_grace,
        status_seconds=options.status_seconds,
        wait_scale=options.wait_scale,
        lists_per_second=options.lists_per_second,
        lists_burst=options.lists_burst,
        read_lag_seconds=options.read_lag,
        state=options.state,
        allowed_hosts=options.allowed_hosts,
        permissions=options.record_permissions,
        slack_channels=options.slack_channels,
        slack_per_second=options.slack_per_second,
        slack_burst=options.slack_burst,
    )
    # moto asks botocore for credentials of its own where a request is not signed.
    os.environ.setdefault("AWS_DEFAULT_REGION", settings.region)
    # moto would tell browsers that every page may read its answers.
    os.environ["MOTO_DISABLE_GLOBAL_CORS"] = "true"
    from local_aws.server import Application, listen
    from local_aws.state import StateError

    try:
        application = Application(settings)
    except StateError as error:
        sys.stderr.write(f"local AWS: {error}\n")
        return 2
    try:
        server = listen(options.host, options.port, application, settings)
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        if options.stop_with_stdin:
            threading.Thread(target=_wait_for_end_of_input, args=(stop,), daemon=True).start()
        threading.Thread(target=server.serve_forever, args=(_POLL_INTERVAL,), daemon=True).start()
        sys.stdout.write(f"Local AWS listens on http://{options.host}:{server.port}\n")
        sys.stdout.flush()
        application.start()
        stop.wait()
        server.shutdown()  # before the state is saved for the last time
    finally:
        application.close()
    return 0


def _parser() -> argparse.ArgumentParser:
    defaults = Settings()
    parser = argparse.ArgumentParser(prog="python -m local_aws", description="AWS on a laptop.")
    parser.add_argument("--host", default="127.0.0.1", help="address to bind (default: %(default)s)")
    parser.add_argument("--port", type=int, default=5000, help="port; 0 picks a free one (default: %(default)s)")
    parser.add_argument("--region", default=defaults.region, help="region of unsigned requests (default: %(default)s)")
    parser.add_argument(
        "--image",
        type=_image,
        action="append",
        default=[],
        metavar="NAME=FOLDER",
        help="image and the folder with its programs train and serve, or docker://TAG; may be repeated",
    )
    parser.add_argument("--ping-timeout", type=float, default=defaults.ping_timeout, metavar="SECONDS")
    parser.add_argument("--stop-grace", type=float, default=defaults.stop_grace, metavar="SECONDS")
    parser.add_argument(
        "--status-seconds",
        type=float,
        default=defaults.status_seconds,
        metavar="SECONDS",
        help="how long each status of an endpoint lasts at least (default: %(default)s)",
    )
    parser.add_argument(
        "--wait-scale",
        type=float,
        default=defaults.wait_scale,
        metavar="SECONDS",
        help="seconds here for each second that a DeploymentConfig waits (default: 1/60)",
    )
    parser.add_argument(
        "--lists-per-second",
        type=_rate,
        default=defaults.lists_per_second,
        metavar="REQUESTS",
        help="requests a second that each List operation takes, as on AWS; inf for no limit (default: %(default)s)",
    )
    parser.add_argument(
        "--lists-burst",
        type=_count,
        default=defaults.lists_burst,
        metavar="REQUESTS",
        help="requests of a List operation that may come at once (default: %(default)s)",
    )
    parser.add_argument(
        "--read-lag",
        type=_lag,
        default=defaults.read_lag_seconds,
        metavar="SECONDS",
        help="how long what was just written is not seen yet, as it may be on AWS (default: %(default)s)",
    )
    parser.add_argument(
        "--state",
        type=Path,
        metavar="FOLDER",
        help="folder that keeps S3 objects, SageMaker resources, endpoints and Slack messages between two runs "
        "(default: all is in memory)",
    )
    parser.add_argument(
        "--allowed-hosts",
        type=_hosts,
        default=os.environ.get("LOCAL_AWS_ALLOWED_HOSTS", ""),
        metavar="NAME,NAME",
        help="host names or addresses under which clients may ask, beside 127.0.0.1, localhost and ::1 "
        "(default: the environment variable LOCAL_AWS_ALLOWED_HOSTS, else none)",
    )
    recorded = os.environ.get("LOCAL_AWS_RECORD_PERMISSIONS")
    parser.add_argument(
        "--record-permissions",
        type=Path,
        default=Path(recorded) if recorded else None,
        metavar="FOLDER",
        help="folder to put a file in that lists each IAM action that was needed, by whom and on what "
        "(default: the environment variable LOCAL_AWS_RECORD_PERMISSIONS, else none)",
    )
    parser.add_argument(
        "--slack-channels",
        type=lambda text: tuple(filter(None, text.replace("#", "").split(","))),
        default=(),
        metavar="NAME,NAME",
        help="channels that Slack's chat.postMessage knows (default: whatever can be a channel's name)",
    )
    parser.add_argument(
        "--slack-per-second",
        type=_rate,
        default=defaults.slack_per_second,
        metavar="MESSAGES",
        help="messages a second that Slack takes of a webhook, or in a channel; Slack itself takes about 1 "
        "(default: no limit)",
    )
    parser.add_argument(
        "--slack-burst",
        type=_count,
        default=defaults.slack_burst,
        metavar="MESSAGES",
        help="messages of a webhook, or in a channel, that may come at once (default: %(default)s)",
    )
    parser.add_argument("--stop-with-stdin", action="store_true", help="stop when standard input closes")
    return parser


def _rate(text: str) -> float:
    try:
        if (rate := float(text)) > 0:
            return rate
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r}: expected a number above 0, or inf")


def _lag(text: str) -> float:
    try:
        if 0 <= (seconds := float(text)) < math.inf:
            return seconds
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r}: expected a number of seconds, 0 or more")


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number, 1 or more")
    return int(text)


def _hosts(text: str) -> tuple[str, ...]:
    from local_aws.strangers import host_names

    try:
        return host_names(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error} (from the option or LOCAL_AWS_ALLOWED_HOSTS)") from error


def _image(text: str) -> tuple[str, Image]:
    try:
        return read_image(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _wait_for_end_of_input(stop: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    stop.set()


if __name__ == "__main__":
    sys.exit(main())
