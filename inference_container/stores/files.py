"""Objects as plain files under one folder: the store of a first run, of tests, and of one machine without a server.

`ROOT/<bucket>/<key>` is the object. A write goes to `ROOT/.sluice/`, is synced, and gets its name in one step; no name
of a bucket begins with a dot, so no key meets that folder. No key and no symbolic link leads out of the folder.

Two lacks against a server: the content type comes from the key's ending, and `a` and `a/b` can not both be objects.
"""

import errno
import fcntl
import os
import secrets
import stat
import time
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from typing_extensions import override

from inference_container.errors import ObjectChanged, ObjectMissing, ObjectRefused, ObjectTooLarge, StoreUnavailable
from inference_container.stores.content_types import UNKNOWN, content_type_of
from inference_container.stores.descent import folder_below, keys_below, make_folder
from inference_container.stores.places import Places
from inference_container.stores.ports import ObjectInfo, Opened, RemovingStore
from inference_container.stores.whole_file import PIECE, whole_file
from serving.errors import DependencyFailed, SluiceError

_HOUSE = ".sluice"
#: Writers of one object wait for each other; with so many locks others rarely do.
_LOCKS = 64
#: A fifo under the folder must not hold a reader: it is opened without waiting, then seen to be no file.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
#: Nothing there, a file where a folder should be, a link, or a name that this file system can not have.
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.ENAMETOOLONG)
_IN_THE_WAY = (errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.ENOTEMPTY, errno.EEXIST, errno.ENAMETOOLONG)
#: The machine's trouble of the moment. The rest (rights, a read-only disk) stays until somebody mends it.
_PASSING = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ESTALE)


class FileStore(RemovingStore):
    def __init__(self, root: Path, places: Places) -> None:
        """`root` is made when it is missing; it may be a link itself, nothing below it may.

        Raises:
            DependencyFailed: It can not be made.
        """
        self._places = places
        with _telling("", ""):
            root.mkdir(parents=True, exist_ok=True)
            self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    @override
    def stat(self, bucket: str, key: str) -> ObjectInfo:
        file = self._opened(bucket, key)
        try:
            return _info(bucket, key, os.fstat(file))
        finally:
            os.close(file)

    @override
    def get(self, bucket: str, key: str, at_most: int) -> tuple[ObjectInfo, bytes]:
        with self.open(bucket, key) as opened:
            if opened.info.size > at_most:
                raise ObjectTooLarge(size=opened.info.size, at_most=at_most)
            return opened.info, b"".join(opened.pieces)

    @override
    @contextmanager
    def open(
        self, bucket: str, key: str, start: int = 0, length: int | None = None, etag: str | None = None
    ) -> Iterator[Opened]:
        file = self._opened(bucket, key)
        try:
            info = _info(bucket, key, os.fstat(file))
            if etag not in (None, info.etag):
                raise ObjectChanged(bucket=bucket, key=key)
            rest = max(0, info.size - start)
            yield Opened(info, _pieces(file, info, start, rest if length is None else min(rest, length)))
        finally:
            os.close(file)

    @override
    def put(self, bucket: str, key: str, content: bytes, content_type: str = UNKNOWN) -> ObjectInfo:
        self._places.check(bucket, key)
        with _telling(bucket, key, writing=True), self._locked(bucket, key), self._part(content) as part:
            return self._name(part, bucket, key)

    @override
    def put_new(self, bucket: str, key: str, content: bytes, content_type: str = UNKNOWN) -> ObjectInfo | None:
        self._places.check(bucket, key)
        with _telling(bucket, key, writing=True), self._part(content) as part, self._folder(bucket, key) as folder:
            name = key.rpartition("/")[2]
            with self._house() as house:
                try:
                    # A second name for one file: the call that fails when there is a name, asked by however many.
                    os.link(part, name, src_dir_fd=house, dst_dir_fd=folder, follow_symlinks=False)
                except FileExistsError:
                    if stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                        return None
                    raise  # a folder or a link: in the way, and no object
                written = _info(bucket, key, os.stat(part, dir_fd=house, follow_symlinks=False))
            os.fsync(folder)
            return written

    @override
    def replace(self, bucket: str, key: str, content: bytes, etag: str) -> ObjectInfo:
        self._places.check(bucket, key)
        with _telling(bucket, key, writing=True), self._locked(bucket, key):
            if self.stat(bucket, key).etag != etag:
                raise ObjectChanged(bucket=bucket, key=key)
            with self._part(content) as part:
                return self._name(part, bucket, key)

    @override
    def remove(self, bucket: str, key: str) -> None:
        self._places.check(bucket, key)
        *folders, name = key.split("/")
        with suppress(ObjectMissing), _telling(bucket, key), self._locked(bucket, key):
            os.close(self._opened(bucket, key))  # an object, no folder and no link
            with folder_below(self._root, [bucket, *folders]) as folder:
                os.unlink(name, dir_fd=folder)
                os.fsync(folder)

    @override
    def list(self, bucket: str, prefix: str, after: str = "") -> Iterator[ObjectInfo]:
        self._places.check_prefix(bucket, prefix)
        return self._listed(bucket, prefix, after)

    @override
    def fetch(self, bucket: str, key: str, into: Path) -> ObjectInfo:
        with self.open(bucket, key) as opened, _telling(bucket, key, writing=True), whole_file(into) as file:
            for piece in opened.pieces:
                file.write(piece)
        return opened.info

    @override
    def ensure_buckets(self) -> None:
        with _telling("", ""):
            for bucket in self._places.buckets:
                make_folder(self._root, bucket)

    @override
    def close(self) -> None:
        os.close(self._root)

    def _listed(self, bucket: str, prefix: str, after: str) -> Iterator[ObjectInfo]:
        with _telling(bucket, prefix), folder_below(self._root, [bucket]) as top:
            for key in keys_below(top, prefix, after):
                if not self._places.holds(bucket, key):
                    continue
                try:
                    info = self.stat(bucket, key)
                except ObjectMissing:
                    continue  # a link, a fifo, or gone since
                yield info

    def _opened(self, bucket: str, key: str) -> int:
        """The object's file, to be closed by the caller."""
        self._places.check(bucket, key)
        *folders, name = key.split("/")
        with _telling(bucket, key):
            with folder_below(self._root, [bucket, *folders]) as folder:
                file = os.open(name, _READ, dir_fd=folder)
            if stat.S_ISREG(os.fstat(file).st_mode):
                return file
            os.close(file)
        raise ObjectMissing(bucket=bucket, key=key)

    @contextmanager
    def _part(self, content: bytes) -> Iterator[str]:
        """A file of the house folder that holds `content` for good and is no object yet. Gone with the block."""
        part = f"{os.getpid()}-{secrets.token_hex(8)}.part"
        with self._house() as house:
            file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=house)
            try:
                with os.fdopen(file, "wb") as opened:
                    opened.write(content)
                    opened.flush()
                    # The time is the version (see `_info`); the kernel's own moves in steps of milliseconds.
                    os.utime(file, ns=(now := time.time_ns(), now))
                    os.fsync(file)
                yield part
            finally:
                with suppress(FileNotFoundError):  # it has become the object
                    os.unlink(part, dir_fd=house)

    def _house(self) -> AbstractContextManager[int]:
        # Made by the first write: a folder that is only read may be read-only.
        return folder_below(self._root, [_HOUSE], make_from=0)

    def _folder(self, bucket: str, key: str) -> AbstractContextManager[int]:
        """The folder that the object lies in, made as far as it is missing; the bucket is not made."""
        return folder_below(self._root, [bucket, *key.split("/")[:-1]], make_from=1)

    def _name(self, part: str, bucket: str, key: str) -> ObjectInfo:
        """Makes the part the object, under its lock: what was there is older, whatever the clock says."""
        name = key.rpartition("/")[2]
        with self._folder(bucket, key) as folder, self._house() as house:
            with suppress(FileNotFoundError):
                before = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime_ns
                if before >= os.stat(part, dir_fd=house).st_mtime_ns:
                    os.utime(part, ns=(before + 1, before + 1), dir_fd=house)
            written = _info(bucket, key, os.stat(part, dir_fd=house))
            os.rename(part, name, src_dir_fd=house, dst_dir_fd=folder)
            os.fsync(folder)
            return written

    @contextmanager
    def _locked(self, bucket: str, key: str) -> Iterator[None]:
        """One writer of an object at a time, among threads (each opens the file anew) and processes."""
        number = zlib.crc32(f"{bucket}/{key}".encode()) % _LOCKS
        with self._house() as house:
            lock = os.open(f"{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644, dir_fd=house)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def _info(bucket: str, key: str, found: os.stat_result) -> ObjectInfo:
    # Time and size instead of a digest: asking what a large file is must not read it. Writers here never repeat a time.
    etag = f"{found.st_mtime_ns:x}-{found.st_size:x}"
    modified = datetime.fromtimestamp(found.st_mtime, UTC)
    return ObjectInfo(bucket, key, found.st_size, etag, modified, content_type_of(key))


def _pieces(file: int, info: ObjectInfo, start: int, length: int) -> Iterator[bytes]:
    """Raises `StoreUnavailable` when the file turns out shorter than it was: somebody else wrote into it."""
    while length:
        with _telling(info.bucket, info.key):
            piece = os.pread(file, min(PIECE, length), start)
        if not piece:
            raise StoreUnavailable("The object became shorter while it was read.", bucket=info.bucket, key=info.key)
        yield piece
        start, length = start + len(piece), length - len(piece)


@contextmanager
def _telling(bucket: str, key: str, writing: bool = False) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _told(error, bucket, key, writing) from error


def _told(error: OSError, bucket: str, key: str, writing: bool) -> SluiceError:
    """Never with the path: it says how this machine is laid out."""
    reason = errno.errorcode.get(error.errno or 0, type(error).__name__)
    if writing and error.errno in _IN_THE_WAY:
        return ObjectRefused("Another object is in the way of this key.", bucket=bucket, key=key)
    if writing and error.errno == errno.ENOENT:
        return DependencyFailed("The store has no such bucket.", bucket=bucket)
    if error.errno in _ABSENT:
        return ObjectMissing(bucket=bucket, key=key)
    if error.errno in _PASSING:
        return StoreUnavailable(reason=reason)
    return DependencyFailed("The folder of the store can not be used.", reason=reason)
