"""A pipeline file of any content harms only itself: it is refused with a sentence, soon, and its neighbour stays."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from fresh_endpoints.pipeline_file import bounds
from fresh_endpoints.pipeline_file.lines import without_place
from fresh_endpoints.pipeline_file.loading import load_pipelines
from guarded_loading import PLUGINS
from pipeline_files import BASE, changed


@pytest.fixture
def refusal(loader, folder):
    """Load what stands in bad.yaml beside a right file; the one problem that it has."""

    def refusal(content=None):
        if content is not None:
            (folder / "bad.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
        (folder / "iris.yaml").write_text(BASE)
        outcome = loader.load(folder)
        assert outcome.end == ""
        assert outcome.names == ["iris"]
        [(name, error)] = outcome.errors.items()
        assert name == "bad.yaml"
        assert outcome.seconds < 5
        return error.partition("\n  ")[2]

    return refusal


def test_thirty_kilobytes_of_brackets(refusal):
    assert refusal("[" * 30_000) == (
        "bad.yaml:1:51: found more than 50 levels, each alias counted as what it stands for; make the file smaller"
    )
    assert "50 levels" in refusal("- " * 30_000 + "a")
    assert "50 levels" in refusal("a: {" * 30_000)


def laughs(form: str) -> str:
    lines = ["a0: &a0 {k: x}"]
    lines += [f"a{n}: &a{n} {form.format(n - 1)}" for n in range(1, 30)]
    return "\n".join([*lines, "model: {PrimaryContainer: *a29}", changed(("iris", "bad"))])


@pytest.mark.parametrize(
    "form", ["[{0}, {0}, {0}]".replace("{0}", "*a{0}"), "{{<<: [*a{0}, *a{0}]}}", "{{k: *a{0}, l: *a{0}}}"]
)
def test_aliases_of_aliases_are_counted_as_what_they_stand_for(refusal, form):
    assert "found more than 10000 values, each alias counted as what it stands for" in refusal(laughs(form))


def test_a_long_text_behind_many_aliases(refusal):
    text = f"a: &a {'x' * 100_000}\nb: [*a, *a, *a]"
    assert "found more than 262144 characters of values" in refusal(text)


def test_a_part_that_contains_itself(refusal):
    assert refusal("a: &a [*a]") == (
        "bad.yaml:1:8: found *a inside of what it stands for; write out what belongs there"
    )
    assert "found *a inside" in refusal("&a {<<: *a}")


def test_more_values_than_a_file_has_use_for(refusal):
    assert "found more than 10000 values" in refusal("\n".join(f"k{n}: 1" for n in range(6_000)))


def test_a_file_too_large_to_be_read(refusal):
    assert refusal("#" * (bounds.MOST_BYTES + 1)) == (
        "found more than 262144 bytes; allowed 262144; make several files of it"
    )


@pytest.mark.parametrize(
    ("kind", "found"),
    [("pipe", "a named pipe"), ("folder", "a folder"), ("socket", "a socket"), ("device", "a device")],
)
@pytest.mark.parametrize("by_link", [False, True])
def test_what_is_no_regular_file_is_never_waited_for(refusal, folder, tmp_path, monkeypatch, kind, found, by_link):
    path = (tmp_path if by_link else folder) / "bad.yaml"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        monkeypatch.chdir(path.parent)  # A socket's address is short.
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    if by_link:
        (folder / "bad.yaml").symlink_to(path)
    assert refusal() == f"found {found}; allowed a regular file; move it out of the folder"


def test_links_that_lead_nowhere(refusal, folder):
    (folder / "bad.yaml").symlink_to(folder / "bad.yaml")
    assert refusal() == "cannot be read: Too many levels of symbolic links"
    (folder / "bad.yaml").unlink()
    (folder / "bad.yaml").symlink_to("nowhere")
    assert refusal() == "cannot be read: No such file or directory"


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("9" * 100_000, "it has 100000 characters; a number or date has 64 at most"),
        ("0x" + "f" * 100_000, "it has 100002 characters; a number or date has 64 at most"),
        ("1:" + "59:" * 50_000 + "1", "it has 150003 characters; a number or date has 64 at most"),
        ("9223372036854775808", "it is beyond the integers of 64 bits; put it in quotes if it is a text"),
        (".inf", "no request takes a number that is not finite; put it in quotes if it is a text"),
        ("-.nan", None),
        ("1.0e+999", "no request takes a number that is not finite; put it in quotes if it is a text"),
        ("2019-13-01", "month must be in 1..12"),
        ("!!int 1e999", "invalid literal for int() with base 10: '1e999'"),
        ("2019-03-01T99:00:00", "hour must be in 0..23"),
    ],
)
def test_numbers_that_nothing_can_hold(refusal, value, problem):
    said = refusal(changed(("name: iris\n", f"name: bad\nwait_minutes: {value}\n")))
    assert problem is None or said.endswith(f": {problem}")
    assert len(said) < 2000


@pytest.mark.parametrize("character", ["\\0", "\\ud800"])
@pytest.mark.parametrize("where", ['description: "a{}"', 'aws_tags: {{"a{}": x}}', 'smoke_test: {{body: "{}"}}'])
def test_characters_that_no_database_keeps(refusal, character, where):
    said = refusal(changed(("name: iris\n", f"name: bad\n{where.format(character)}\n")))
    # libyaml knows no halves of characters.
    assert "which no database and no AWS API takes; remove it" in said or "invalid Unicode character escape" in said
    assert said.isprintable()


@pytest.mark.parametrize("pattern", ["(((a{1000}){1000}){1000})", "((a{1,1000})[{]{1000,}){9}", "(a?){99}{99}{99}"])
def test_a_pattern_that_fills_the_memory_when_it_is_compiled(refusal, pattern):
    metrics = f"InputMode: File, MetricDefinitions: [{{Name: a, Regex: '{pattern}'}}]}}"
    said = refusal(changed(("InputMode: File}", metrics), ("iris", "bad")))
    assert "its repetitions, each written out, have more than 10000 parts; repeat less, or with * or +" in said
    said = refusal(changed(("iris", "bad")) + f"smoke_test: {{body: x, content_type: a/b, expect: '{pattern}'}}\n")
    assert "its repetitions, each written out, have more than 10000 parts; repeat less, or with * or +" in said


def test_very_many_patterns(refusal):
    definitions = ", ".join("{Name: a, Regex: '((a{100}){90})'}" for _ in range(1_900))
    text = changed(("InputMode: File}", f"InputMode: File, MetricDefinitions: [{definitions}]}}"), ("iris", "bad"))
    assert "MetricDefinitions: found " in refusal(text)


@pytest.mark.parametrize(
    "pattern",
    [
        r"loss=(\d{1,9}\.\d{4,})",
        r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        r"(?:(\w{1,100}),){90}",
        r"([\]{]{9})\{9{2}",
    ],
)
def test_patterns_of_ordinary_use(folder, pattern):
    metrics = f"InputMode: File, MetricDefinitions: [{{Name: a, Regex: '{pattern}'}}]}}"
    more = f"smoke_test: {{body: x, content_type: a/b, expect: '{pattern}'}}\n"
    (folder / "iris.yaml").write_text(changed(("InputMode: File}", metrics)) + more)
    assert load_pipelines(folder).errors == []


def test_a_name_that_is_no_text_and_one_that_a_terminal_obeys(folder):
    for name in (b"\xff.yaml", b"a\x1b[2Jb.yaml"):
        (Path(os.fsdecode(os.fsencode(folder) + b"/" + name))).write_text("name: [")
    errors = [str(error) for error in load_pipelines(folder).errors]
    assert [error.splitlines()[0].rpartition("/")[2] for error in errors] == ["a\\x1b[2Jb.yaml:", "\\udcff.yaml:"]
    for error in errors:
        error.encode()


def test_very_many_mistakes_are_not_all_made_up(refusal):
    said = refusal(BASE + "\n".join(f"wait_minutez{n}: 1" for n in range(4_000)))
    assert said.count("\n") == 50
    assert said.endswith("there are more problems; mend these first")


def test_a_mistake_in_a_check_is_one_files(folder, monkeypatch):
    from fresh_endpoints.pipeline_file.checks import pipeline as checks

    def find_problems(pipeline):
        if pipeline.name == "bad":
            raise RecursionError("too deep")
        return []

    monkeypatch.setattr(checks, "find_problems", find_problems)
    (folder / "bad.yaml").write_text(changed(("name: iris", "name: bad")))
    (folder / "iris.yaml").write_text(BASE)
    loaded = load_pipelines(folder)
    assert [pipeline.name for pipeline in loaded.pipelines] == ["iris"]
    assert [error.problems for error in loaded.errors] == [("cannot be checked: RecursionError: too deep",)]


def test_the_check_says_the_same_as_airflow_and_ends_soon(folder):
    (folder / "iris.yaml").write_text(BASE)
    (folder / "brackets.yaml").write_text("[" * 30_000)
    (folder / "laughs.yaml").write_text(laughs("[*a{0}, *a{0}]"))
    (folder / "power.yaml").write_text(changed(("sample-bucket", "'{{ 9 ** 9 ** 9 ** 9 }}'"), ("iris", "power")))
    os.mkfifo(folder / "pipe.yaml")
    program = [sys.executable, "-m", "fresh_endpoints", "check", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(PLUGINS)}
    done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "iris: ok\n")
    *said, summary = done.stderr.splitlines()
    assert summary == "5 pipeline files: 1 ok, 4 cannot be used, 1 warning"
    assert [line.partition(": error: ")[2] for line in said[1:]] == [
        without_place(problem) for error in load_pipelines(folder).errors for problem in error.problems
    ]


@pytest.mark.parametrize("loader", ["CSafeLoader", "SafeLoader"])
def test_both_of_pyyamls_parsers_are_counted(loader):
    """Without libyaml PyYAML has one in Python, which is slower and lets halves of characters through."""
    for content in ("[" * 30_000, laughs("[*a{0}, *a{0}]"), "a: &a [*a]", 'a: "\\0"'):
        with pytest.raises(bounds.OutOfBoundsError):
            bounds.count(content.encode(), getattr(yaml, loader))
    with pytest.raises((bounds.OutOfBoundsError, yaml.YAMLError)):
        bounds.count(b'a: "\\ud800"', getattr(yaml, loader))


def test_a_large_file_of_ordinary_use_is_read(folder):
    variables = "".join(f"    V{n}: '{'x' * 200}'\n" for n in range(48))
    tags = "aws_tags: {" + ", ".join(f"key-{n}: '{'v' * 200}'" for n in range(25)) + "}\n"
    anchors = "description: &text words\nowner: *text\n"
    text = changed(("  RoleArn", f"  Environment:\n{variables}  RoleArn"), ("name: iris\n", f"name: iris\n{anchors}"))
    (folder / "iris.yaml").write_text(text + tags)
    loaded = load_pipelines(folder)
    assert loaded.errors == []
    assert loaded.pipelines[0].owner == "words"
