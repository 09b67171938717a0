"""Kafka 3.9.2 and Milena get the same random requests; their answers must be the same."""
import concurrent.futures
import os
import pathlib
import sys
import traceback

from harness import messages
from harness.broker import Broker
from harness.process import Failure
from harness.runner import only

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import flows  # noqa: E402
import lockstep  # noqa: E402
import random_requests  # noqa: E402

LONG = os.environ.get("MILENA_LONG") == "1"
SEEDS = [int(seed) for seed in os.environ.get("MILENA_KAFKA_ORACLE_SEEDS", ",".join(map(str, range(1, 21))) if LONG else "1").split(",")]
REQUESTS = int(os.environ.get("MILENA_KAFKA_ORACLE_REQUESTS", "5000" if LONG else "1000"))  # for each seed
SHOWN = 12  # differences of a seed, after which it ends


def new_pair(context):
    brokers = []
    for kind in ("kafka", "milena"):
        coordinator = context.new_coordinator("milena", settings={"maxSessionTimeout": 120_000})
        broker = Broker(kind, context.work / context.name(kind), context.binary, lockstep.SETTINGS, coordinator=coordinator)
        context.brokers.append(broker)
        brokers.append(broker)
    with concurrent.futures.ThreadPoolExecutor(len(brokers)) as pool:
        list(pool.map(lambda broker: broker.start(), brokers))
    return lockstep.Lockstep(*brokers)


def repeat(seed):
    return (f"run it again: MILENA_KAFKA_ORACLE_SEEDS={seed} MILENA_KAFKA_ORACLE_REQUESTS={REQUESTS} "
            "compat-tests/run --only kafka-oracle --keep")


def play(pair, seed):
    """The differences, each as text. Whatever else goes wrong is told with the request that it came with, and ends the seed."""
    found, request = [], "before the first request"
    try:
        pair.prepare()
        pair.find_unanswerable()
        stream = random_requests.Stream(seed, pair.versions(), flows.draw)
        for number in range(REQUESTS):
            key, version, values = stream.next()
            request = f"request {number}"
            try:
                pair.run(key, version, values)
            except lockstep.Difference as difference:
                found.append(f"{request}: {difference}")
                if len(found) == SHOWN:
                    break
            except Exception:
                request += f": {messages.by_key()[key][0].name} v{version} {values}"
                raise
    except Failure as failure:
        found.append(f"{request}\n  {failure}")
    except Exception:  # pylint: disable=broad-except
        found.append(f"{request}\n{traceback.format_exc()}")
    return found


def never_answered(asked):
    """APIs that were asked and whose connection was only ever closed."""
    return [messages.by_key()[key][0].name for key, count in sorted(asked.items()) if count == 0]


@only("milena")
def test_random_requests(context):
    asked = {}
    for seed in SEEDS:
        pair = new_pair(context)
        try:
            found = play(pair, seed)
        finally:
            pair.close()
        if found:
            raise Failure(f"seed {seed}, {repeat(seed)}\n" + "\n".join(found))
        for key, count in pair.asked.items():
            asked[key] = asked.get(key, 0) + count
        for broker in pair.brokers:
            broker.stop_broker_only()
            broker.coordinator.stop()
            context.brokers.remove(broker)
            context.brokers.remove(broker.coordinator)
    if never_answered(asked):
        raise Failure(f"never answered: {', '.join(never_answered(asked))}")
    return f"seeds {','.join(map(str, SEEDS))}: {sum(asked.values())} answers of {len(asked)} APIs equal"
