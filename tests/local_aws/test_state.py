from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from local_aws.settings import Settings
from local_aws.state import VERSION, StateError, StateFolder, StateKeeper


def saved(folder: Path, content: bytes = b"1,2\n") -> Path:
    """A folder with a state that refers to one content."""
    state = StateFolder(folder)
    digest = state.put(content)
    state.save({"s3": {"key": digest}}, [digest])
    state.close()
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    state = StateFolder(saved(tmp_path / "new" / "state"))
    loaded = state.load()
    assert loaded is not None
    assert state.get(loaded["s3"]["key"]) == b"1,2\n"
    state.close()


def test_a_new_folder_has_no_state(tmp_path: Path) -> None:
    assert StateFolder(tmp_path).load() is None


def test_contents_that_nothing_refers_to_are_removed(tmp_path: Path) -> None:
    state = StateFolder(saved(tmp_path, b"old"))
    digest = state.put(b"new")
    state.save({"s3": {"key": digest}}, [digest])
    assert [path.name for path in (tmp_path / "objects").iterdir()] == [digest]


def _other_version(folder: Path) -> None:
    state = json.loads((folder / "state.json").read_text())
    (folder / "state.json").write_text(json.dumps({**state, "version": VERSION + 1}))


def _cut_off(folder: Path) -> None:
    (folder / "state.json").write_text((folder / "state.json").read_text()[:-10])


def _other_format(folder: Path) -> None:
    (folder / "state.json").write_text('{"resources": []}')


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_other_version, f"its version is {VERSION + 1}, this local AWS reads version {VERSION}"),
        (_cut_off, "state.json is not JSON"),
        (_other_format, "state.json does not say that its format is 'local AWS state'"),
    ],
)
def test_an_unreadable_state_is_refused_and_nothing_is_lost(
    tmp_path: Path, spoil: Callable[[Path], None], said: str
) -> None:
    spoil(saved(tmp_path))
    before = files(tmp_path)
    state = StateFolder(tmp_path)
    with pytest.raises(StateError, match=said) as refused:
        state.load()
    assert str(tmp_path) in str(refused.value)
    assert "Start with another --state folder" in str(refused.value)
    state.close()
    assert files(tmp_path) | {"lock": b""} == before | {"lock": b""}


@pytest.mark.parametrize("missing", ["s3", "sagemaker", "slack"])
def test_a_state_that_lacks_a_part_is_refused(tmp_path: Path, missing: str) -> None:
    from local_aws.server import Application

    state = StateFolder(tmp_path)
    parts = {"s3": {}, "sagemaker": {}, "slack": []}
    state.save({name: part for name, part in parts.items() if name != missing}, [])
    state.close()
    before = files(tmp_path)["state.json"]
    with pytest.raises(StateError, match=f"not as local AWS writes it \\(KeyError: '{missing}'\\)"):
        Application(Settings(state=tmp_path))
    assert files(tmp_path)["state.json"] == before


def test_text_that_has_no_utf_8_does_not_end_the_saving(tmp_path: Path) -> None:
    told = {"file name": "\udcff", "text": "\ud800", "\udc00": "日\U0001f600"}
    state = StateFolder(tmp_path)
    state.save(told, [])
    assert {name: value for name, value in (state.load() or {}).items() if name in told} == told
    state.close()


def test_missing_and_damaged_contents_are_refused(tmp_path: Path) -> None:
    saved(tmp_path)
    [content] = (tmp_path / "objects").iterdir()
    state = StateFolder(tmp_path)
    content.write_bytes(b"other")
    with pytest.raises(StateError, match=f"objects/{content.name} is damaged"):
        state.get(content.name)
    content.unlink()
    with pytest.raises(StateError, match=f"objects/{content.name} cannot be read"):
        state.get(content.name)


def test_a_folder_with_something_else_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("dear")
    with pytest.raises(StateError, match=r"is not a state folder of local AWS: it has no state.json, but thesis.txt"):
        StateFolder(tmp_path)
    assert files(tmp_path) == {"thesis.txt": b"dear"}


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(StateError, match="cannot be used: File exists"):
        StateFolder(tmp_path / "state")


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    with pytest.raises(StateError, match=r"in use by another local AWS, process \d+"):
        StateFolder(tmp_path)
    state.close()
    StateFolder(tmp_path).close()


def test_a_save_that_fails_leaves_the_last_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = StateFolder(saved(tmp_path))
    before = files(tmp_path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        state.save({"s3": {}}, [])
    with pytest.raises(OSError, match="No space left"):
        state.put(b"more")
    assert files(tmp_path) == before


def test_the_keeper_saves_after_a_change_and_at_the_end() -> None:
    saves = threading.Semaphore(0)
    keeper = StateKeeper(saves.release)
    keeper.start()
    keeper.note()
    assert saves.acquire(timeout=10)
    keeper.close()
    assert saves.acquire(timeout=10)
    assert not saves.acquire(blocking=False)


def test_the_keeper_goes_on_after_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    failed, saved_later = threading.Event(), threading.Event()

    def save() -> None:
        if failed.is_set():
            saved_later.set()
        else:
            failed.set()
            raise OSError(28, "No space left on device")

    keeper = StateKeeper(save)
    keeper.start()
    keeper.note()
    assert failed.wait(10)
    keeper.note()
    assert saved_later.wait(10)
    keeper.close()
    assert "the state could not be saved" in capsys.readouterr().err
