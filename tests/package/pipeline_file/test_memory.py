"""What is remembered of a file that was checked, and what it saves."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fresh_endpoints.pipeline_file import loading, memory
from fresh_endpoints.pipeline_file.checks import pipeline as checks
from fresh_endpoints.pipeline_file.loading import load_pipeline
from fresh_endpoints.problems import PipelineFileError
from pipeline_files import BASE, changed

PLUGINS = Path(__file__).resolve().parents[3] / "plugins"


LOAD = """
import sys
from pathlib import Path
from fresh_endpoints.pipeline_file.loading import load_pipelines
loaded = load_pipelines(Path(sys.argv[1]))
for pipeline in loaded.pipelines:
    print(pipeline.model_dump_json())
for error in loaded.errors:
    print(error)
print([name for name in ("airflow", "botocore", "croniter", "jinja2", "regex") if name in sys.modules])
"""


def load_in_new_process(folder, cache):
    environment = {**os.environ, "TMPDIR": str(cache), "PYTHONPATH": str(PLUGINS)}
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(folder)], env=environment, check=True, capture_output=True, text=True
    )
    *answers, imported = done.stdout.splitlines()
    return answers, imported


def test_an_unchanged_file_is_not_checked_again(folder, own_cache):
    file = folder / "iris.yaml"
    file.write_text(BASE)
    checked, imported = load_in_new_process(folder, own_cache)
    assert imported == "['botocore', 'croniter', 'jinja2', 'regex']"
    assert json.loads(checked[0])["endpoint"] == {"EndpointName": "iris"}
    assert load_in_new_process(folder, own_cache) == (checked, "[]")

    file.write_text(changed(("  ResourceConfig", "  ResorceConfig")))
    answers, imported = load_in_new_process(folder, own_cache)
    assert "botocore" in imported
    assert "did you mean 'ResourceConfig'?" in "".join(answers)
    assert load_in_new_process(folder, own_cache) == (answers, "[]")

    file.write_text(BASE)
    assert load_in_new_process(folder, own_cache) == (checked, "[]")


@pytest.mark.parametrize("content", ["name: [", "name: iris", "[" * 1000])
def test_what_cannot_even_be_read_is_not_read_again(folder, content, monkeypatch):
    (folder / "iris.yaml").write_text(content)
    with pytest.raises(PipelineFileError) as first:
        load_pipeline(folder / "iris.yaml")
    monkeypatch.setattr(loading, "read_pipeline", None)
    with pytest.raises(PipelineFileError) as again:
        load_pipeline(folder / "iris.yaml")
    assert again.value.problems == first.value.problems


def test_the_file_name_is_part_of_what_is_remembered(folder):
    (folder / "iris.yaml").write_text(BASE)
    load_pipeline(folder / "iris.yaml")
    with pytest.raises(PipelineFileError, match="it must be 'other'"):
        load_pipeline((folder / "iris.yaml").rename(folder / "other.yaml"))


def test_other_checking_code_checks_again(folder, own_cache, monkeypatch):
    (folder / "iris.yaml").write_text(BASE)
    load_pipeline(folder / "iris.yaml")
    asked = []
    monkeypatch.setattr(checks, "find_problems", lambda pipeline: asked.append(pipeline.name) or ["wrong"])
    load_pipeline(folder / "iris.yaml")
    assert asked == []
    monkeypatch.setattr(memory, "checks_digest", lambda: b"other")
    with pytest.raises(PipelineFileError, match="wrong"):
        load_pipeline(folder / "iris.yaml")
    assert asked == ["iris"]


def entries(own_cache):
    return list(own_cache.glob("*/*"))


def test_a_broken_entry_costs_time_only(folder, own_cache):
    (folder / "iris.yaml").write_text(BASE)
    pipeline = load_pipeline(folder / "iris.yaml")
    [entry] = entries(own_cache)
    remembered = entry.read_bytes()
    for broken in (b"", b"{}", remembered[:-1]):
        entry.write_bytes(broken)
        assert load_pipeline(folder / "iris.yaml") == pipeline
        assert entry.read_bytes() == remembered


@pytest.mark.parametrize("obstacle", ["file", "writable by others", "link", "missing"])
def test_a_cache_folder_that_cannot_be_trusted_is_not_used(folder, own_cache, tmp_path, obstacle):
    (folder / "iris.yaml").write_text(BASE)
    cache = own_cache / f"fresh-endpoints-{os.getuid()}"
    if obstacle == "file":
        cache.touch()
    elif obstacle == "writable by others":
        cache.mkdir()
        cache.chmod(0o777)
    elif obstacle == "link":
        (tmp_path / "elsewhere").mkdir()
        cache.symlink_to(tmp_path / "elsewhere")
    else:
        own_cache.rmdir()
    assert load_pipeline(folder / "iris.yaml").name == "iris"
    assert entries(own_cache) == []
    assert not (tmp_path / "elsewhere").exists() or not list((tmp_path / "elsewhere").iterdir())


def test_what_json_would_change_is_not_remembered(folder, own_cache):
    (folder / "iris.yaml").write_text(BASE)
    pipeline = load_pipeline(folder / "iris.yaml")
    entry = memory.entry("other.yaml", b"")
    memory.remember(entry, pipeline.model_copy(update={"training": {"HyperParameters": {"a": float("nan")}}}))
    assert memory.recall(entry, type(pipeline)) is None
    assert not entry.exists()


def test_every_module_that_decides_is_part_of_what_is_remembered():
    code = (
        "import sys, fresh_endpoints.pipeline_file.loading, fresh_endpoints.pipeline_file.checks.pipeline\n"
        "print(*(m.__file__ for n, m in sys.modules.items() if n.startswith('fresh_endpoints.')), sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PLUGINS, check=True, capture_output=True, text=True)
    package = PLUGINS / "fresh_endpoints"
    imported = {Path(line).relative_to(package) for line in done.stdout.splitlines()}
    decides = {path.relative_to(package) for pattern in memory._MODULES for path in package.glob(pattern)}
    assert imported - decides == {Path("aws/__init__.py")}
