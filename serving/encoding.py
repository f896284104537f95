"""JSON out, whatever is in it. orjson is fast and refuses half a surrogate pair; a file name may hold one."""

import json

import orjson


def dumps(value: object) -> bytes:
    """UTF-8 JSON. What neither library knows is written as its `str`."""
    try:
        return orjson.dumps(value, default=str)
    except TypeError:
        return json.dumps(value, default=str, ensure_ascii=True).encode()
