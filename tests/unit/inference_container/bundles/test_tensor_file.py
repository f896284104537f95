import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from safetensors import SafetensorError
from safetensors.numpy import load, save

from inference_container.bundles.tensor_file import decode_weights
from inference_container.errors import BundleRefused
from inference_container.forecasting.arrays import Float32Array

_FILE = save({"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(2, dtype=np.float32)})


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=5).filter(lambda name: name != "__metadata__"),
        arrays(np.float32, array_shapes(max_dims=3, max_side=4), elements=st.floats(-1e9, 1e9, width=32)),
        max_size=4,
    )
)
def test_tensors_are_always_those_that_the_library_reads(tensors: dict[str, Float32Array]) -> None:
    encoded = save(tensors, metadata={"made": "by a test"})
    found = decode_weights(encoded)
    assert found.keys() == tensors.keys()
    for name, tensor in load(encoded).items():
        np.testing.assert_array_equal(found[name], tensor)


@given(st.binary(max_size=60).map(bytearray) | st.just(bytearray(_FILE)), st.data())
def test_a_file_that_the_library_refuses_is_never_read(content: bytearray, data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(0, 3))):
        if content:
            at = data.draw(st.integers(0, min(len(content) - 1, 150)))
            content[at] = data.draw(st.sampled_from(b'\x00\x01\xff "{}[]0123456789,:'))
    try:
        found = decode_weights(content)
    except BundleRefused:
        return
    try:
        expected = load(bytes(content))
    except SafetensorError as error:
        raise AssertionError("the library refuses it") from error
    assert found.keys() == expected.keys()


def test_tensors_lie_where_the_content_lies() -> None:
    content = bytearray(_FILE)
    found = decode_weights(content)
    content[-4:] = np.float32(7).tobytes()
    assert 7 in [tensor.flat[-1] for tensor in found.values()]


@pytest.mark.parametrize("content", [_FILE + b"\0\0\0\0", _FILE[:-4], _FILE[:20], b"", b"\xff" * 16])
def test_a_file_that_is_not_filled_exactly_is_refused(content: bytes) -> None:
    with pytest.raises(BundleRefused, match=r"model\.safetensors"):
        decode_weights(content)
