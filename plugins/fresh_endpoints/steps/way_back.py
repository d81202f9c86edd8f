"""What an endpoint serves and whether it is proven, and which endpoint config it goes back to.

It goes back to the newest proven one along what each was put in the place of.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

from fresh_endpoints.aws import tags

if TYPE_CHECKING:
    from fresh_endpoints.aws.endpoint import Endpoint, Seen
    from fresh_endpoints.aws.own_names import OwnNames

# Failed days in a row that are looked behind.
LONGEST_CHAIN = 30


class Configs(Protocol):
    """Knows endpoint configs: an Endpoint, or what has asked for all of them at once."""

    def config_tags(self, name: str) -> Mapping[str, str]:
        """Return an endpoint config's tags; none where it does not exist."""

    def has_config(self, name: str) -> bool:
        """Tell whether an endpoint config exists now."""


def way_back(endpoint: Configs, config_name: str, names: OwnNames) -> str | None:
    """Find what to go back to.

    Args:
        endpoint: The endpoint.
        config_name: The endpoint config to go back from.
        names: The names under which the pipeline has made what there is.

    Returns:
        The newest proven endpoint config; where none is proven, the one that was live before, if a person has put it
        there or nobody has asked it yet; None where each has failed its smoke test, or there is none.

    Raises:
        AirflowException: AWS refused.
    """
    over = leading_back(endpoint, config_name, names)
    return over[-1] if over else None


def leading_back(configs: Configs, config_name: str, names: OwnNames) -> list[str]:
    """Find what has to exist for the way back: what it goes to and, before that, what it leads over.

    Args:
        configs: The endpoint, or what knows its configs.
        config_name: The endpoint config to go back from.
        names: The names under which the pipeline has made what there is.

    Returns:
        Endpoint configs along what each was put in the place of, the one to go back to last; empty where there is none.

    Raises:
        AirflowException: AWS refused.
    """
    over: list[str] = []
    untested = 0  # How many lead to the newest that has not failed.
    for name, found in _chain(configs, config_name, names):
        over.append(name)
        if tags.is_proven(found):
            return over
        if not untested and not tags.has_failed(found):
            untested = len(over)
    return over[:untested]


def standing(endpoint: Endpoint, seen: Seen, names: OwnNames) -> str:
    """Say what is live now, and whether it is proven.

    Args:
        endpoint: The endpoint.
        seen: What it is like.
        names: The names under which the pipeline has made what there is.

    Raises:
        AirflowException: AWS refused.
    """
    if seen.live is None or not seen.has_served:
        return "nothing"
    if not names.may_have_named(seen.live):
        return f"{seen.live} (not of this pipeline)"
    return f"{seen.live} ({'proven' if tags.is_proven(endpoint.config_tags(seen.live)) else 'not proven'})"


def _chain(configs: Configs, config_name: str, names: OwnNames) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield each endpoint config that exists on the way back, with its tags, newest first."""
    seen = {config_name}
    name = configs.config_tags(config_name).get(tags.PREVIOUS_CONFIG, "")
    for _ in range(LONGEST_CHAIN):
        if not name or name in seen:
            return
        seen.add(name)
        # Of what others have made, the tags need not be readable.
        found: Mapping[str, str] = configs.config_tags(name) if names.may_have_named(name) else {}
        if configs.has_config(name):
            yield name, found
        name = found.get(tags.PREVIOUS_CONFIG, "")
