"""A Kafka Streams application with exactly_once_v2, whose broker and instances are killed at random: its outputs are those of a
straight computation. It is examples/storefront-analytics. STREAMS_SEED in the environment is another seed."""
import importlib.util
import os

SEED = int(os.environ.get("STREAMS_SEED", "20261129"))


def test_exactly_once(context):
    path = context.root / "examples" / "storefront-analytics" / "run.py"
    spec = importlib.util.spec_from_file_location("storefront", path)
    storefront = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(storefront)
    return storefront.check(context.work, context.new_broker({"group.min.session.timeout.ms": 1000}), SEED, context.say)
