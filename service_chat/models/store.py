"""From a reference to a verified file on this disk. Called by the loader of the engine process, and by the demo.

    found = ModelStore(Path("models")).fetch(DEFAULT_MODEL, report)

Layout: `DIRECTORY/<source>/<file>`, one folder per source, so that two files of one name never meet. A file has its
name only when it is whole and its hash is right: it grows as `.part`, is checked, flushed and renamed. What arrives
with a wrong hash is kept as `.bad`, one per source, so that somebody can look at it; `refusals` says when the next
fetch may start over. One process fetches at a time; the others wait and find it done. Everything here blocks.
"""

import fcntl
import hashlib
import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from service_chat.models import hub, web, wheel
from service_chat.models.manifest import HubFile, LocalFile, ModelFile, WebFile, WheelMember
from service_chat.models.refusals import Refusals
from service_chat.models.report import Report, sha256_of
from serving.durable import sync_folder
from serving.errors import DependencyFailed

_LOCK_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class FetchedModel:
    path: Path
    sha256: str
    size: int  #: bytes


class ModelStore:
    def __init__(
        self,
        directory: Path,
        hub_endpoint: str | None = None,
        hub_token: str | None = None,
        now: Callable[[], float] = time.time,
        *,
        offline: bool = False,
    ) -> None:
        """
        Args:
            hub_endpoint: overrides what huggingface_hub reads, as `hub_token` does.
            now: seconds since 1970.
            offline: nothing is fetched and nothing need be written: the directory may be read-only.
        """
        self._refusals, self._offline = Refusals(now), offline
        self._directory, self._hub_endpoint, self._hub_token = directory, hub_endpoint, hub_token

    def fetch(self, model: ModelFile, report: Report) -> FetchedModel:
        """The file, fetched first where it is missing.

        Raises:
            DependencyFailed: It can not be had, or is not what its hash says. `details["reason"]` is a short code.
        """
        try:
            if isinstance(model.source, LocalFile):
                return self._there(model, f"There is no model file at {model.source.path}", report)
            if self._offline:
                absent = f"{model.where} is not in {self._directory}, and HF_HUB_OFFLINE lets nobody fetch it"
                return self._there(model, absent, report)
            with self._only_process(model, report):
                return self._cached(model, report) or self._fetch(model, report)
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise DependencyFailed(f"{model.name} can not be stored or read: {why}", reason="disk") from error

    def cached_path(self, model: ModelFile) -> Path:
        """Where the file is, or will be."""
        if isinstance(model.source, LocalFile):
            return model.source.path
        return self._directory / _folder(model) / model.name

    def _there(self, model: ModelFile, absent: str, report: Report) -> FetchedModel:
        """The file where it has to be by now; `absent` is the sentence for when it is not."""
        path = self.cached_path(model)
        if not path.is_file():
            raise DependencyFailed(absent, reason="no_file")
        found = self._hashed(path, report)
        if model.sha256 not in (None, found.sha256):
            raise _wrong_hash(model.where, str(model.sha256), found.sha256)
        return found

    def _cached(self, model: ModelFile, report: Report) -> FetchedModel | None:
        path = self.cached_path(model)
        if not path.is_file():
            return None
        found = self._hashed(path, report)
        if model.sha256 in (None, found.sha256):
            return found
        path.replace(path.with_name(f"{path.name}.bad"))
        return None

    def _fetch(self, model: ModelFile, report: Report) -> FetchedModel:
        path = self.cached_path(model)
        if refused := self._refusals.standing(path, model.sha256):
            raise DependencyFailed(f"{refused.sentence}; {refused.when}", reason="checksum")
        part = path.with_name(f"{path.name}.part")
        expected = self._bring(model, part, report)
        digest = sha256_of(part, report)
        if expected not in (None, digest):
            part.replace(path.with_name(f"{path.name}.bad"))
            wrong = _wrong_hash(model.where, str(expected), digest)
            refused = self._refusals.note(path, model.sha256, wrong.message)
            raise DependencyFailed(f"{wrong.message}; {refused.when}", **wrong.details)
        part.replace(path)
        self._refusals.forget(path)
        sync_folder(path.parent)
        self._remember(path, digest)
        return FetchedModel(path, digest, path.stat().st_size)

    def _bring(self, model: ModelFile, part: Path, report: Report) -> str | None:
        """Fills `part`; the hash it must have, when anybody said one."""
        source = model.source
        match source:
            case HubFile():
                there = hub.locate(source, self._hub_endpoint, self._hub_token)
                if model.sha256 and there.sha256 and model.sha256 != there.sha256:
                    raise _wrong_hash(model.where, model.sha256, there.sha256)  # known before a gigabyte is moved
                size = model.size or there.size
                web.download(there.url, part, model.where, report, there.headers, size)
                return model.sha256 or there.sha256
            case WebFile():
                web.download(source.url, part, model.where, report, size=model.size)
            case WheelMember():
                scratch = part.with_name("scratch")
                shutil.rmtree(scratch, ignore_errors=True)
                scratch.mkdir()
                try:
                    wheel.fetch_member(source, part, scratch, report, model.size)
                finally:
                    shutil.rmtree(scratch, ignore_errors=True)
            case LocalFile():
                raise AssertionError("a local file is not fetched")
            case _:
                assert_never(source)
        return model.sha256

    def _hashed(self, path: Path, report: Report) -> FetchedModel:
        """The file's hash, from last time when neither size nor time of change moved: 1 GB takes seconds to read."""
        stat = path.stat()
        with suppress(OSError, ValueError, KeyError, TypeError):
            note = json.loads(self._note_of(path).read_text())
            if (note["size"], note["mtime_ns"]) == (stat.st_size, stat.st_mtime_ns):
                return FetchedModel(path, str(note["sha256"]), stat.st_size)
        digest = sha256_of(path, report)
        self._remember(path, digest)
        return FetchedModel(path, digest, stat.st_size)

    def _remember(self, path: Path, digest: str) -> None:
        stat, note = path.stat(), self._note_of(path)
        with suppress(OSError):  # a cache that can not be written costs the time of hashing, nothing else
            note.parent.mkdir(parents=True, exist_ok=True)
            writing = note.with_suffix(".new")
            writing.write_text(json.dumps({"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": digest}))
            writing.replace(note)

    def _note_of(self, path: Path) -> Path:
        key = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:24]
        return self._directory / ".verified" / f"{key}.json"

    @contextmanager
    def _only_process(self, model: ModelFile, report: Report) -> Iterator[None]:
        folder = self._directory / _folder(model)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".lock").open("w") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    report("waiting", 0, model.size)
                    time.sleep(_LOCK_POLL_S)
            yield


def _folder(model: ModelFile) -> str:
    """A folder name people can read: the scheme, then what the file belongs to."""
    source = model.source
    match source:
        case HubFile():
            text = f"hf--{source.repository}--{source.revision[:12]}"
        case WebFile():
            text = f"url--{model.where.split('/')[2]}--{hashlib.sha256(source.url.encode()).hexdigest()[:12]}"
        case WheelMember():
            text = f"pypi--{source.distribution}--{source.version}"
        case LocalFile():
            raise AssertionError("a local file has no folder here")
        case _:
            assert_never(source)
    return re.sub(r"[^A-Za-z0-9._-]+", "--", text)


def _wrong_hash(where: str, expected: str, found: str) -> DependencyFailed:
    return DependencyFailed(
        f"{where} is not the file it should be: sha256 {found[:12]}…, expected {expected[:12]}…",
        reason="checksum",
        expected=expected,
        found=found,
    )
