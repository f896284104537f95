"""A bundle directory to its whole content: files verified, manifest checked, weights read.

For whoever has a directory and one process: the trainer that has just written it, the command line, tests. A service
takes the same steps in two processes, `sealing` and then `opener`, and this room hands on what they offer.
"""

from dataclasses import dataclass
from pathlib import Path

from inference_container.bundles.files import WEIGHTS, read_verified
from inference_container.bundles.manifest import Manifest
from inference_container.bundles.opener import Content, map_bundle, open_inferencer
from inference_container.bundles.sealing import bundle_id_of, read_manifest, read_papers, seal_bundle
from inference_container.bundles.tensor_file import decode_weights

__all__ = ["Bundle", "bundle_id_of", "load_bundle", "map_bundle", "open_inferencer", "read_manifest", "seal_bundle"]


@dataclass(frozen=True, slots=True, eq=False)
class Bundle(Content):
    """A bundle whose files are whole and whose manifest holds together."""

    manifest: Manifest


def load_bundle(path: Path | str) -> Bundle:
    """Read a bundle directory and verify size and sha256 of every file, and its identity.

    Raises:
        BundleRefused: with a sentence on what does not fit.
    """
    folder = Path(path)
    papers = read_papers(folder)
    weights = decode_weights(read_verified(folder / WEIGHTS, papers.seal))
    return Bundle(papers.plan, papers.golden, weights, papers.manifest)
