"""A Kafka Streams application with exactly_once_v2, whose broker and instances are killed at random: its outputs are those of a
straight computation. It is examples/storefront-analytics; one instance is of Streams 4.3.1 (transactions v2), the other of 3.9.2, as in
a rolling upgrade. STREAMS_SEED in the environment is another seed."""
import importlib.util
import os

from harness import jars

SEED = int(os.environ.get("STREAMS_SEED", "20261129"))


def test_exactly_once(context):
    folder = context.root / "examples" / "storefront-analytics"
    spec = importlib.util.spec_from_file_location("storefront", folder / "run.py")
    storefront = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(storefront)
    newer = storefront.prepare.class_path(folder)
    older = f"{folder / 'target' / 'classes'}:{jars.jar_dir('streams-3.9.2')}/*"
    broker = context.new_broker({"group.min.session.timeout.ms": 1000})
    return storefront.check(context.work, broker, SEED, context.say, [newer, older], speed=1600)
