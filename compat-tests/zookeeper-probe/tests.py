"""ZooKeeper's protocol by raw sockets: each case answered as ZooKeeper 3.9.4 answered it (behaviour.tsv)."""
import pathlib
import sys

from harness.context import expect
from harness.runner import only

HERE = pathlib.Path(__file__).parent


def rows(text):
    return [tuple(line.split("\t", 1)) for line in text.splitlines() if "\t" in line]


@only("milena")
def test_every_case(context):
    coordinator = context.new_coordinator()
    out = context.run([sys.executable, str(HERE / "probe.py"), str(coordinator.port)]).out
    expected = rows((HERE / "behaviour.tsv").read_text(encoding="utf-8"))[1:]
    found = dict(rows(out))
    different = [f"{case}\n  expected {answer}\n  found    {found.get(case)}" for case, answer in expected
                 if found.get(case) != answer]
    expect(not different, "\n".join(different))
    return f"{len(expected)} cases equal"
