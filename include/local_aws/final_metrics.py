"""A training job's metrics: found in its log, told by DescribeTrainingJob, and all of them by CloudWatch.

AWS keeps 32-bit floats: 1.19876 in a log is told as 1.1987600326538086. Whether a metric can be NaN or infinite there
is not documented; here it is what the log says.
"""

from __future__ import annotations

import math
import re
import struct
import time
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from local_aws.fault_rules import Fault
from local_aws.faults import Faults
from local_aws.resources import Json

# Metric name to its last value and the value's time, epoch seconds.
Metrics = dict[str, tuple[float, float]]
Patterns = list[tuple[str, re.Pattern[str]]]
_FORMS: Mapping[str, float | str] = {"nan": math.nan, "infinity": math.inf, "-infinity": -math.inf, "text": "NaN"}


def patterns(definitions: Iterable[Mapping[str, str]]) -> Patterns:
    """Compile metric definitions.

    Args:
        definitions: MetricDefinitions, checked.

    Returns:
        Name and expression of each.
    """
    return [(definition["Name"], re.compile(definition["Regex"])) for definition in definitions]


def found(wanted: Patterns, lines: Iterable[str]) -> list[tuple[str, float]]:
    """Find metrics in a log.

    Args:
        wanted: The metrics.
        lines: Lines of the log.

    Returns:
        Name and value of each that was found, in the order of the log.
    """
    values = ((name, _value(pattern, line)) for line in lines for name, pattern in wanted)
    return [(name, value) for name, value in values if value is not None]


def last(values: Iterable[tuple[str, float]]) -> Metrics:
    """Keep what is final so far.

    Args:
        values: What was found.

    Returns:
        The last value of each metric.
    """
    now = float(int(time.time()))  # AWS tells whole seconds
    return {name: (value, now) for name, value in values}


def told(metrics: Metrics, faults: Faults) -> list[Json]:
    """Describe metrics, in another form where a ``final_metric`` fault says so.

    Args:
        metrics: The metrics.
        faults: The faults in force.

    Returns:
        FinalMetricDataList.
    """
    answer = []
    for name, (value, moment) in metrics.items():
        fault = _fault_of(name, faults)
        if fault is None or fault.form != "absent":
            form = _FORMS[fault.form] if fault else value
            answer.append({"MetricName": name, "Value": form, "Timestamp": moment})
    return answer


def _fault_of(metric: str, faults: Faults) -> Fault | None:
    return faults.first("final_metric", "DescribeTrainingJob", lambda fault: fnmatchcase(metric, fault.metric))


def as_float32(value: float) -> float:
    """Round a number to what 32 bits hold.

    Args:
        value: The number.

    Returns:
        It as AWS tells it; infinite where it is too large.
    """
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def _value(pattern: re.Pattern[str], line: str) -> float | None:
    match = pattern.search(line)
    if not match:
        return None
    try:
        return as_float32(float(match[1] if pattern.groups else match[0]))
    except (TypeError, ValueError):
        return None
