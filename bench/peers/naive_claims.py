"""Claims as they are usually written first: consume one, get, predict, put, publish, commit; and then the next one.

The network, the window and the numbers are those of `bench.claims`, the clients the ones that our service uses, each
step done with care and none of it at the same time as another. Arguments: BOOTSTRAP TOPIC RESULTS GROUP ENDPOINT
BUCKET; keys to the store in S3_ACCESS_KEY and S3_SECRET_KEY, the network's folder in BENCH_NETWORK. Runs until killed.
"""

import io
import json
import os
import sys

from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition  # type: ignore[import-untyped]  # no types
from minio import Minio
from pyarrow import parquet  # type: ignore[import-untyped]  # no types

from bench.peers.features import answer, features
from bench.peers.network import Forecaster


def main(bootstrap: str, topic: str, results: str, group: str, endpoint: str, bucket: str) -> None:
    store = Minio(
        endpoint,
        access_key=os.environ["S3_ACCESS_KEY"],
        secret_key=os.environ["S3_SECRET_KEY"],
        region="us-east-1",
        secure=False,
    )
    forecast = Forecaster()
    producer = KafkaProducer(bootstrap_servers=bootstrap)  # idempotent, acknowledged by all
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    for message in consumer:
        claim = json.loads(message.value)
        got = store.get_object(claim["bucket"], claim["object_key"])
        body = got.read()
        got.close()
        got.release_conn()
        columns = parquet.read_table(io.BytesIO(body)).to_pydict()
        window, time = features({"data": columns, "index_col": "ts"})
        value = json.dumps(answer(time, forecast(window[None])[0])).encode()
        source = f"{message.topic}-{message.partition}-{message.offset}"
        store.put_object(bucket, f"naive/{source}.json", io.BytesIO(value), len(value))
        producer.send(results, key=source.encode(), value=value).get(30)
        consumer.commit({TopicPartition(topic, message.partition): OffsetAndMetadata(message.offset + 1, "", -1)})


if __name__ == "__main__":
    main(*sys.argv[1:])
