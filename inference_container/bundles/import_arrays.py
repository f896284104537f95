"""`ARRAYS.npz` of `bundle import`: the tensors of a PyTorch recurrent network, under the names a bundle gives them.

`importer` calls it. Names and shapes are checked against the specification before any number is read, and nothing is
ever unpickled: numpy's own loader is left aside, because it answers object arrays and plain files with other errors.
"""

import io
import zipfile
from collections.abc import Mapping

import numpy as np
from numpy.lib import format as npy

from inference_container.bundles.import_spec import ImportSpec
from inference_container.errors import ImportRefused
from inference_container.forecasting.arrays import Float32Array
from inference_container.forecasting.backends.protocol import Weights
from serving.errors import SluiceError

#: Matrices of one layer that PyTorch stacks in one tensor: r, z, n and i, f, g, o.
_GATES = {"gru": 3, "lstm": 4}
_SUFFIX = ".npy"


def read_arrays(content: bytes, spec: ImportSpec) -> Weights:
    """The weights of the specified network, float32; float64 is converted.

    Raises:
        ImportRefused: no npz file, an unknown or missing array, another shape or type, or a value that is not finite;
            by the array's name.
    """
    wanted = wanted_shapes(spec)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            named = _matched(archive.namelist(), wanted, spec.arch)
            for name, member in named.items():
                _check_header(archive, member, wanted[name])
            return {name: _read(archive, member) for name, member in named.items()}
    except SluiceError:
        raise
    except Exception as error:
        # The file comes from elsewhere, and a broken one reaches zlib, struct and the tokenizer of array headers.
        raise ImportRefused(f"The arrays can not be read as an npz file: {type(error).__name__}.") from error


def wanted_shapes(spec: ImportSpec) -> dict[str, tuple[int, ...]]:
    """The tensors of the network by the names in a bundle, and their shapes."""
    hidden, stacked = spec.hidden_size, _GATES[spec.arch] * spec.hidden_size
    outputs = spec.output_len * len(spec.target_columns)
    shapes: dict[str, tuple[int, ...]] = {"head.weight": (outputs, hidden), "head.bias": (outputs,)}
    for layer in range(spec.num_layers):
        shapes[f"rnn.weight_ih_l{layer}"] = (stacked, spec.features if layer == 0 else hidden)
        shapes[f"rnn.weight_hh_l{layer}"] = (stacked, hidden)
        shapes[f"rnn.bias_ih_l{layer}"] = shapes[f"rnn.bias_hh_l{layer}"] = (stacked,)
    return shapes


def _matched(members: list[str], wanted: Mapping[str, tuple[int, ...]], arch: str) -> dict[str, str]:
    """Bundle name to zip member. The recurrent part may be called `rnn`, or what it is."""
    given = [member.removesuffix(_SUFFIX) for member in members]
    repeated = sorted({name for name in given if given.count(name) > 1})
    if repeated:
        raise ImportRefused(f"The arrays hold more than one {', '.join(repeated)}.", arrays=repeated)
    prefix = arch if any(name.startswith(f"{arch}.") for name in given) else "rnn"
    theirs = {_their_name(name, prefix): name for name in wanted}
    missing, unknown = sorted(theirs.keys() - set(given)), sorted(set(given) - theirs.keys())
    sentences = [f"lack {', '.join(missing)}"] if missing else []
    if unknown:
        sentences.append(f"hold {', '.join(unknown[:20])}, which a {arch} of this specification does not have")
    if sentences:
        raise ImportRefused(f"The arrays {' and '.join(sentences)}.", missing=missing, unknown=unknown[:20])
    return {theirs[name]: member for name, member in zip(given, members, strict=True)}


def _their_name(name: str, prefix: str) -> str:
    part, _, tensor = name.partition(".")
    return f"fc.{tensor}" if part == "head" else f"{prefix}.{tensor}"


def _check_header(archive: zipfile.ZipFile, member: str, wanted: tuple[int, ...]) -> None:
    name = member.removesuffix(_SUFFIX)
    with archive.open(member) as stream:
        version = npy.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise ImportRefused(f"Array {name} is written in a format that plain numbers do not need.")
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read_header(stream)
    if dtype.kind != "f" or dtype.itemsize not in (4, 8):
        raise ImportRefused(f"Array {name} is of type {dtype}; float32 and float64 can be imported.")
    if shape != wanted:
        raise ImportRefused(f"Array {name} has the shape {shape}; the specification makes it {wanted}.")


def _read(archive: zipfile.ZipFile, member: str) -> Float32Array:
    with archive.open(member) as stream:
        found = npy.read_array(stream, allow_pickle=False)
    # A float64 beyond float32 becomes infinite here, and is refused by name.
    with np.errstate(over="ignore"):
        converted: Float32Array = np.ascontiguousarray(found, dtype=np.float32)
    if not bool(np.all(np.isfinite(converted))):
        raise ImportRefused(f"Array {member.removesuffix(_SUFFIX)} holds values that are not finite in float32.")
    return converted
