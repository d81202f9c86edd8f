"""The command ``fresh-endpoints``."""

import datetime as dt
import json
from pathlib import Path

import jsonschema
import yaml

from fresh_endpoints import __main__ as commands

SAMPLE = Path(__file__).resolve().parents[2] / "include" / "pipelines" / "multiclass.yaml"
SCHEMA = SAMPLE.with_name("pipeline.schema.json")


def test_the_json_schema_is_current(capsys):
    assert commands.main(["schema"]) == 0
    assert SCHEMA.read_text(encoding="utf-8") == capsys.readouterr().out, (
        "run: make schema, which writes include/pipelines/pipeline.schema.json"
    )


def test_the_json_schema_describes_the_sample_and_each_key():
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    text = SAMPLE.read_text(encoding="utf-8")
    assert text.startswith(f"# yaml-language-server: $schema={SCHEMA.name}\n")
    validator = jsonschema.Draft202012Validator(schema)
    sample = json.loads(json.dumps(yaml.safe_load(text), default=dt.date.isoformat))
    assert list(validator.iter_errors(sample)) == []
    assert [error.json_path for error in validator.iter_errors({**sample, "name": "multi_class"})] == ["$.name"]
    assert not validator.is_valid({**sample, "shedule": "@daily"})
    parts = [schema, *schema["$defs"].values()]
    described = {key: field for part in parts for key, field in part["properties"].items() if "$ref" not in field}
    assert [key for key, field in described.items() if not field.get("description")] == []
