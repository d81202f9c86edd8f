"""The page on who is told: its examples can be used, and its tables name what there is."""

from __future__ import annotations

import ast
import importlib
import json
import re
from pathlib import Path

import pytest
import yaml

from fresh_endpoints.pipeline_file.checks.notify import SAMPLE_NAMES, find_notifier_problems
from fresh_endpoints.pipeline_file.loading import load_pipeline
from fresh_endpoints.pipeline_file.notify import Notify
from fresh_endpoints.telling import slack_api
from pipeline_files import BASE

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "telling.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
ROWS = [line.strip("|").split(" | ") for line in PAGE.splitlines() if line.startswith("| `")]
NAMED = {name for row in ROWS for name in re.findall(r"`([\w.]+)`", row[0])}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.split()[0])
def test_every_example_can_be_used(example, tmp_path):
    (tmp_path / "iris.yaml").write_text(BASE + example)
    pipeline = load_pipeline(tmp_path / "iris.yaml")
    # Of the providers on the page, one is no dependency of the project.
    problems = find_notifier_problems(pipeline)
    assert [problem for problem in problems if "apache-airflow-providers-pagerduty" not in problem] == []


def test_the_message_for_teams_is_the_json_that_it_is_to_be():
    from fresh_endpoints.telling.notifiers import _rendered

    [example] = [example for example in EXAMPLES if '"source": "custom"' in example]
    [entry] = yaml.safe_load(example)["notify"]
    text = 'He said "{{ no }}",\nand left <it>.'
    rendered = json.loads(_rendered(entry["arguments"], {"title": "A title", "message": text})["message"])
    assert rendered["content"] == {"title": "A title", "description": text}


def test_the_class_of_ones_own_is_a_notifier(tmp_path, monkeypatch):
    from fresh_endpoints.pipeline_file.notifier_class import notifier_class, problem_of_arguments

    [program] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    ast.parse(program)
    (tmp_path / "notifier_of_the_page.py").write_text(program)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    found = notifier_class("notifier_of_the_page.WebhookNotifier")
    assert problem_of_arguments(found, {"conn_id": "teams", "text": "{{ message }}"}) is None


@pytest.mark.parametrize("example", re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL), ids=lambda text: text[:12])
def test_every_json_is_json(example):
    assert json.loads(example)


def test_the_tables_name_the_keys_the_templates_names_and_slacks_words():
    assert Notify.model_fields.keys() <= NAMED
    assert SAMPLE_NAMES.keys() <= NAMED
    assert {f"slack.{key}" for key in ("channel", "username")} <= NAMED
    words = {word for word in NAMED if "." not in word} - Notify.model_fields.keys() - SAMPLE_NAMES.keys()
    assert words - {"restricted_action"} <= slack_api.ADVICE.keys()


def test_every_link_leads_somewhere():
    for path, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", PAGE):
        text = (ROOT / "docs" / path).read_text() if path else PAGE
        headings = [heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)]
        assert not anchor or anchor in headings
