"""What can be wrong with a forecast request or a bundle, in classes that both doors can tell apart.

    InvalidInput
    ├── MalformedRequest        the shape: not JSON, wrong types, inference_length out of range (HTTP answers 422)
    └── InvalidSeries           the shape is right, the series can not be forecast (HTTP answers 400)
        ├── NoData              nothing to forecast from
        ├── TooManyRows         `max_rows` and `rows`
        ├── UnequalColumns      the columns differ in length
        ├── MissingColumns      `missing_columns`: sorted names the bundle needs
        ├── InvalidTimestamps   no time column, unreadable times, or the same time twice
        ├── NonNumericColumns   `columns`: the names that hold something other than numbers
        ├── TooFewRows          `min_rows` and `rows`
        ├── IrregularGrid       steps of another length than the bundle's, or a gap too long to bridge
        ├── MissingValues       `columns`: the names that hold null where the model looks
        ├── HorizonTooLong      `max_inference_length`
        └── QuantilesUnavailable  no quantiles there: `lowest` and `highest` level, or the native `horizon`
    InvalidInput
    ├── ImportRefused           a network trained elsewhere and its specification can not become a bundle
    └── PromotionRefused        a bundle is not promoted: the gate, the store or somebody faster is in the way
    WorkFailed
    └── NonFiniteForecast       the model answered NaN or infinity; it is never passed on as null
    DependencyFailed
    └── BundleRefused           the files are not a bundle this version may serve
        └── GoldenMismatch      the files are whole, yet the forecasts differ from those the trainer recorded
    DependencyFailed
    ├── BrokerUnavailable       the broker did not answer as agreed; the same may work later
    ├── CommitRefused           the group has gone on without us: nothing more may be committed for these partitions
    └── StoreUnavailable        the object store did not answer; the same may work later
    NotFound
    └── ObjectMissing           `bucket` and `key`
    InvalidInput
    ├── ObjectRefused           a bucket or a key that is not allowed, or that can not be one
    ├── ObjectTooLarge          `size` and `at_most`
    ├── ObjectChanged           it is another version by now
    └── MessageTooLarge         the broker takes no message of that size

`forecasting` and `bundles` raise them; `routers` and `claims` translate them. Codes are stable.
"""

from serving.errors import DependencyFailed, InvalidInput, NotFound, WorkFailed


class MalformedRequest(InvalidInput):
    code = "malformed_request"
    default_message = "The request body does not have the shape of a forecast request."


class InvalidHead(InvalidInput):
    code = "invalid_request"
    default_message = "The request does not fit the schema."


class BodyTooLarge(InvalidInput):
    code = "request_body_too_large"
    default_message = "The body holds more bytes than MAX_BODY_BYTES allows."


class UnsupportedMediaType(InvalidInput):
    code = "unsupported_media_type"
    default_message = "Bodies of this Content-Type are not read here; send JSON, Arrow IPC or parquet."


class InvalidSeries(InvalidInput):
    code = "invalid_series"
    default_message = "The series can not be forecast as it is."


class NoData(InvalidSeries):
    code = "no_data"
    default_message = 'The request holds no data: send {"data": {column: [values]}}.'


class TooManyRows(InvalidSeries):
    code = "too_many_rows"
    default_message = "The series has more rows than one request may hold."


class UnequalColumns(InvalidSeries):
    code = "unequal_columns"
    default_message = "The columns of data must all have the same length."


class MissingColumns(InvalidSeries):
    code = "missing_columns"
    default_message = "Columns are missing that the model needs."


class InvalidTimestamps(InvalidSeries):
    code = "invalid_timestamps"
    default_message = "The time column can not be read."


class NonNumericColumns(InvalidSeries):
    code = "non_numeric_columns"
    default_message = "Columns that the model needs hold something other than numbers."


class TooFewRows(InvalidSeries):
    code = "too_few_rows"
    default_message = "The series is shorter than the window the model reads."


class IrregularGrid(InvalidSeries):
    code = "irregular_grid"
    default_message = "The rows do not lie on the time grid of the model."


class MissingValues(InvalidSeries):
    code = "missing_values"
    default_message = "Values are missing where the model needs them."


class HorizonTooLong(InvalidSeries):
    code = "horizon_too_long"
    default_message = "The model does not reach that far ahead."


class QuantilesUnavailable(InvalidSeries):
    code = "quantiles_unavailable"
    default_message = "The model has no quantiles to give."


class ImportRefused(InvalidInput):
    code = "import_refused"
    default_message = "The arrays and their specification do not make a bundle."


class PromotionRefused(InvalidInput):
    code = "promotion_refused"
    default_message = "The bundle is not promoted."


class NonFiniteForecast(WorkFailed):
    code = "non_finite_forecast"
    default_message = "The model gave no finite forecast for this series."


class BundleRefused(DependencyFailed):
    code = "bundle_refused"
    default_message = "The bundle can not be served."


class GoldenMismatch(BundleRefused):
    code = "golden_mismatch"
    default_message = "The bundle does not forecast what its trainer recorded."


class BrokerUnavailable(DependencyFailed):
    code = "broker_unavailable"
    default_message = "The broker did not answer; try again later."


class CommitRefused(DependencyFailed):
    code = "commit_refused"
    default_message = "These partitions belong to another member of the group by now."


class StoreUnavailable(DependencyFailed):
    code = "store_unavailable"
    default_message = "The object store did not answer; try again later."


class ObjectMissing(NotFound):
    code = "object_missing"
    default_message = "There is no such object."


class ObjectRefused(InvalidInput):
    code = "object_refused"
    default_message = "This bucket or key may not be asked for."


class ObjectTooLarge(InvalidInput):
    code = "object_too_large"
    default_message = "The object is larger than this service takes."


class ObjectChanged(InvalidInput):
    code = "object_changed"
    default_message = "The object has changed since it was looked at."


class MessageTooLarge(InvalidInput):
    code = "message_too_large"
    default_message = "The broker takes no message of this size."
