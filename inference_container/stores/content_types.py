"""What an object is, told by the ending of its key: for stores and listings that keep no content type. Pure.

A table of its own: the standard library's depends on files of the machine it runs on.
"""

from collections.abc import Mapping

UNKNOWN = "application/octet-stream"
_TYPES: Mapping[str, str] = {
    "csv": "text/csv",
    "json": "application/json",
    "jsonl": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
    "txt": "text/plain",
}


def content_type_of(key: str) -> str:
    name = key.rpartition("/")[2]
    return _TYPES.get(name.rpartition(".")[2].lower(), UNKNOWN) if "." in name else UNKNOWN
