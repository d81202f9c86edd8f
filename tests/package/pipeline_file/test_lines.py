"""Where in a file a problem is: what editors and code reviews mark."""

from __future__ import annotations

import pytest

from fresh_endpoints.pipeline_file.lines import line_of, lines_of, without_place
from fresh_endpoints.pipeline_file.loading import load_pipeline
from fresh_endpoints.problems import PipelineFileError
from pipeline_files import BASE, changed

LINES = lines_of(BASE.encode())


def number(text):
    [line] = [number for number, line in enumerate(BASE.splitlines(), start=1) if text in line]
    return line


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        ("region: found 'x'; it must be …", "region:"),
        ("training.ResourceConfig.InstanceCount: found 0; …", "ResourceConfig"),
        ("endpoint_config.ProductionVariants[0].InstanceType: found 'x'", "VariantName"),
        # A member that is missing is missed where it belongs.
        ("training.StoppingCondition.MaxWaitTimeInSeconds: found nothing", "StoppingCondition"),
        ("transform.DataProcessing: found 1", None),
    ],
)
def test_a_problem_is_in_the_line_of_its_field(problem, text):
    assert line_of(problem, LINES) == (text and number(text))


def test_what_is_missing_at_the_top_is_in_no_line():
    assert line_of("owner: found nothing; a value is required here", LINES) is None
    assert line_of("cannot be read: No such file or directory", LINES) is None


def test_the_parsers_own_place_is_the_line(tmp_path):
    path = tmp_path / "iris.yaml"
    path.write_text(changed(("name: iris", "name: iris\nname: iris")))
    with pytest.raises(PipelineFileError) as error:
        load_pipeline(path)
    [problem] = error.value.problems
    assert line_of(problem, {}) == 2
    assert without_place(problem) == "found the key 'name' again (first in line 1); remove one"


def test_keys_that_look_like_paths_and_merged_keys_are_found():
    text = b"""\
base: &base
  Environment: {a: 1}
model:
  <<: *base
  a.b: 1
  "c: d":
    - 1
    -
      x: 2
"""
    lines = lines_of(text)
    assert {path: line for path, line in lines.items() if path.startswith("model")} == {
        "model": 3,
        "model.a.b": 5,
        "model.c: d": 6,
        "model.c: d[0]": 7,
        "model.c: d[1]": 9,
        "model.c: d[1].x": 9,
        "model.Environment": 2,
        "model.Environment.a": 2,
    }
    assert line_of("model.c: d[1].x: found 2", lines) == 9


@pytest.mark.parametrize("content", [b"[" * 30_000, b"a: [", b"a: &a [*a]", b"\xff\xfe\x00", b""])
def test_what_is_no_yaml_has_no_lines(content):
    assert lines_of(content) == {}
