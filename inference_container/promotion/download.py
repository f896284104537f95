"""A promoted bundle from the store to a folder: the pointer vouches for the manifest, and that for the other files.

`cache` keeps what it brings; `promote` looks at what a rollback would serve. Blocking.
"""

import hashlib
from pathlib import Path

from pydantic import ValidationError

from inference_container.bundles.files import MANIFEST
from inference_container.bundles.manifest import Manifest
from inference_container.bundles.sealing import seal_bundle
from inference_container.errors import BundleRefused, ObjectMissing, ObjectTooLarge
from inference_container.promotion.pointer import Pointer
from inference_container.stores.ports import ObjectStore

#: Bytes of a manifest that are read; one has a few thousand.
MAX_MANIFEST_BYTES = 4 * 1024 * 1024
#: What a bundle's files may be called. The manifest's own check allows no others; here they become paths.
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._-")


def download(store: ObjectStore, pointer: Pointer, into: Path) -> Path:
    """Brings the files into the empty folder `into`, and returns it.

    Raises:
        BundleRefused: A file is missing or not what the pointer and the manifest say.
        StoreUnavailable, DependencyFailed: The store did not answer; nothing is known of the bundle.
        OSError: The folder can not be written.
    """
    try:
        _, encoded = store.get(pointer.bucket, pointer.key_of(MANIFEST), MAX_MANIFEST_BYTES)
        manifest = _read(encoded, pointer)
        for name, entry in manifest.files.items():
            key = pointer.key_of(name)
            if not set(name) <= _PLAIN or name.startswith("."):
                raise BundleRefused("The manifest names a file that a bundle can not have.")
            size = store.stat(pointer.bucket, key).size
            if size != entry.bytes:  # before the disk is filled with it
                raise BundleRefused(f"{name} has {size} bytes in the store; the manifest says {entry.bytes}.")
            store.fetch(pointer.bucket, key, into / name)
    except ObjectMissing as error:
        file = str(error.details.get("key", "")).rpartition("/")[2]
        raise BundleRefused(f"{file or 'A file'} of the bundle is not in the store.") from error
    except ObjectTooLarge as error:
        raise BundleRefused(f"{MANIFEST} has more than {MAX_MANIFEST_BYTES} bytes.") from error
    (into / MANIFEST).write_bytes(encoded)
    check(into, pointer)
    return into


def check(folder: Path, pointer: Pointer) -> None:
    """Whether the folder holds the bundle that the pointer names, to the byte.

    Raises:
        BundleRefused: It does not.
    """
    sealed = seal_bundle(folder)
    if (sealed.plan.bundle_id, sealed.manifest_sha256) != pointer.version:
        raise BundleRefused("The bundle is another one than the pointer names.")


def _read(encoded: bytes, pointer: Pointer) -> Manifest:
    if hashlib.sha256(encoded).hexdigest() != pointer.manifest_sha256:
        raise BundleRefused(f"The sha256 of {MANIFEST} is not the one in the pointer.")
    try:
        manifest = Manifest.model_validate_json(encoded)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()[:5])
        raise BundleRefused(f"{MANIFEST} is not valid: {faults}.") from error
    if manifest.bundle_id != pointer.bundle_id:
        raise BundleRefused("The manifest is of another bundle than the pointer names.")
    return manifest
