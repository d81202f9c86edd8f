"""What a running local AWS can be told."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local_aws.images import Image

TRAINING_IMAGE = Path(__file__).resolve().parent.parent / "training_image"


@dataclass(frozen=True)
class Settings:
    """The options of one server.

    Attributes:
        region: Region of requests that name none (SigV4 names one).
        account_id: Twelve digits; moto's default, so that ARNs of both agree.
        images: Repository name (last path component of an image URI, without tag or digest) to the folder that holds
            the image's programs ``train`` and ``serve``, or to an image of Docker's.
        ping_timeout: Seconds in which ``serve`` must answer GET /ping with 200. AWS tries for 24 to 30 minutes, and the
            endpoint stays Creating or Updating and cannot be deleted meanwhile; a laptop wants to know sooner.
        stop_grace: Seconds between SIGTERM and SIGKILL. AWS's are 120 for training
            (https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-envvariables.html)
            and 30 for serving.
        status_seconds: Seconds that each status of an endpoint lasts at least, so that it can be seen; minutes on AWS.
        wait_scale: Seconds here for each second that a DeploymentConfig waits: a minute on AWS is a second here.
        lists_per_second: Requests a second that each List operation takes in the long run; see list_rate.py. ``inf``
            for no limit.
        lists_burst: Requests of a List operation that may come at once.
        read_lag_seconds: Seconds for which what was just written is not seen by the operations that read it; see
            stale_reads.py. AWS names no bound; its reads are consistent within seconds as a rule.
        state: Folder that keeps the state between two runs; None keeps it in memory only.
        allowed_hosts: Hosts to answer to beside 127.0.0.1, localhost and ::1; see strangers.py.
        slack_channels: Channels that Slack's chat.postMessage knows; empty for whatever can be a channel's name.
        slack_per_second: Messages a second that Slack takes of a webhook, or in a channel, in the long run; see
            slack_rate.py. Slack's own is about 1; ``inf`` for no limit.
        slack_burst: Messages of a webhook, or in a channel, that may come at once.
        permissions: Folder that a file of the permissions used is put in; None records none.
    """

    region: str = "ap-northeast-1"
    account_id: str = "123456789012"
    images: Mapping[str, Image] = field(default_factory=lambda: {"sagemaker-repo": TRAINING_IMAGE})
    ping_timeout: float = 30.0
    stop_grace: float = 120.0
    status_seconds: float = 0.5
    wait_scale: float = 1 / 60
    lists_per_second: float = 2.0
    lists_burst: int = 4
    read_lag_seconds: float = 0.0
    state: Path | None = None
    allowed_hosts: tuple[str, ...] = ()
    slack_channels: tuple[str, ...] = ()
    slack_per_second: float = math.inf
    slack_burst: int = 1
    permissions: Path | None = None
