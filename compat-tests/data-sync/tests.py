"""PostgreSQL, Debezium in Kafka Connect, and a copy that is kept equal while broker, Connect and sink are killed at random. It is
examples/data-sync. DATA_SYNC_SEED in the environment is another seed."""
import importlib.util
import os

SEED = int(os.environ.get("DATA_SYNC_SEED", "20261129"))


def test_kept_equal(context):
    spec = importlib.util.spec_from_file_location("data_sync", context.root / "examples" / "data-sync" / "run.py")
    data_sync = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(data_sync)
    sync = data_sync.Sync(context.work, context.new_broker(start=False))
    try:
        sync.start()
        return data_sync.check(sync, SEED, context.say, seconds=15, rounds=1)
    finally:
        sync.stop()
