"""What a deployment has changed: what was live before it, as AWS tells it."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from fresh_endpoints.aws import tags
from fresh_endpoints.live import LiveModel, with_model
from fresh_endpoints.telling.changes import Change, took

if TYPE_CHECKING:
    from fresh_endpoints.aws.endpoint import Endpoint
    from fresh_endpoints.deployment import Deployment

log = logging.getLogger(__name__)


def change_of(endpoint: Endpoint, deployment: Deployment) -> Change:
    """Find out what a deployment has changed; what cannot be found is said to be so.

    Args:
        endpoint: The endpoint.
        deployment: What is live now.
    """
    run = deployment.run
    before, time = LiveModel(run.pipeline, endpoint.name, environment=run.environment), took(run)
    try:
        was = endpoint.config_tags(deployment.config_name).get(tags.PREVIOUS_CONFIG)
        names = run.own_names
        return Change(with_model(replace(before, config=was), endpoint, names) if was else None, time)
    except Exception as error:
        log.warning("What was live before could not be read for the message: %s", error)
        return Change(replace(before, problem="what it was could not be read"), time)
