"""Words of the protocols that others defined, shared by the doors that speak them and the codecs that read them.

They stand apart from the codecs because the API process needs only the words: a codec brings numpy, 11 MB of it.
"""

#: Open Inference Protocol: says where the JSON ends and the bytes begin, in requests and in answers.
JSON_LENGTH_HEADER = "Inference-Header-Content-Length"
#: The tensor that holds the times, of a request and of an answer.
TIMES = "ts"
TEXT = "BYTES"
NUMBERS = (
    *("FP16", "FP32", "FP64"),
    *("INT8", "INT16", "INT32", "INT64"),
    *("UINT8", "UINT16", "UINT32", "UINT64"),
)
#: Of the protocol; the last two are no numbers that a forecast is made from.
DATATYPES = (*NUMBERS, TEXT, "BOOL", "BF16")

#: KServe's time-series API: types of series.
UNIVARIATE, MULTIVARIATE = "univariate_time_series", "multivariate_time_series"
#: Header of a worker's reply: how many series the body holds.
SERIES_COUNT = "Series-Count"
#: Each is a forecast of its own, and decodes the body anew when it travels in another batch.
MAX_SERIES = 32
