"""Directories of real brokers (src/log/testdata): unpacked, run by either broker, and compared with what real clients saw."""
import gzip
import pathlib
import shutil
import tarfile
import time

from harness import venv
from harness.broker import Broker
from harness.context import expect

HERE = pathlib.Path(__file__).parent
ALL = ["codecs", "segments", "epochs", "k4", "txn", "unclean", "badindex", "legacy", "internal", "compact"]
INTERNAL = ("internal", "codecs", "segments", "epochs", "badindex", "legacy")  # the tables hold the internal topics too
UNHEALED = ("badindex",)  # broken indexes under a clean marker: neither broker makes those anew that it needn't read
EXPIRATION_MS = 2_147_483_647  # producer.id.expiration.ms of the archives


class Golden:
    def __init__(self, context, name, coordinator):
        self.context, self.name = context, name
        self.tables = context.root / "src" / "log" / "testdata" / name
        self.directory = context.work / name
        shutil.rmtree(self.directory, ignore_errors=True)  # of a test before
        with tarfile.open(self.tables.with_suffix(".tar.gz")) as archive:
            archive.extractall(self.directory)
        context.run([venv.python(context), HERE / "load_znodes.py", coordinator.connect, f"/{name}", self.directory / "znodes.tsv"])
        self.broker = Broker("milena", self.directory / "broker", context.binary, coordinator=coordinator)
        context.brokers.append(self.broker)
        self.broker.data = self.directory / "log"
        lines = (self.directory / "server.properties").read_text(encoding="utf-8").split()
        stored = dict(line.split("=", 1) for line in lines if "@" not in line)
        stored["inter.broker.protocol.version"] = "3.9"  # one archive has an old one, which old formats don't need
        self.broker.settings = {
            **stored, "listeners": f"PLAINTEXT://127.0.0.1:{self.broker.port}", "log.dirs": self.broker.data,
            "zookeeper.connect": f"{coordinator.connect}/{name}", "zookeeper.session.timeout.ms": 6000,
        }

    def start(self, kind):
        self.broker.kind = kind
        self.broker.write_properties()
        self.broker.start()

    def stop(self):
        code = self.broker.stop_broker_only()
        expect(code in (0, 143), f"{self.name}: {self.broker.kind} ended with exit code {code}")

    def questions(self):
        """What to ask a LogClient."""
        into = self.directory / f"seen-by-{self.broker.kind}"
        ends = [f"{row[0]}-{row[1]}={row[3]}" for row in rows_of(self.tables / "offsets.tsv")]
        asked = [("connect", self.broker.bootstrap), ("await", *ends),  # Kafka starts before it knows its topics
                 ("dump", into, "internal" if self.name in INTERNAL else "user")]
        if (self.tables / "groups.tsv").exists():
            asked += [("groups", into), ("transactions", into)]
        return asked

    def compare(self):
        """The number of rows, all equal to those that the archive came with."""
        into, count = self.directory / f"seen-by-{self.broker.kind}", 0
        for table in sorted(self.tables.iterdir()):
            wanted = rows_of(table)
            found = rows_of(into / table.name.removesuffix(".gz"))
            if table.name == "offsets.tsv":
                # An old inter.broker.protocol refused times of format 0; now nothing is found.
                wanted = [row[:5] + ["-1", "-1", "-"] if row[5] == "err" else row for row in wanted]
            if table.name == "producers.tsv":
                now = time.time() * 1000
                wanted, found = ([row for row in rows if row[7] != "-" or int(row[5]) + EXPIRATION_MS > now]
                                 for rows in (wanted, found))
            differing = [pair for pair in zip(found, wanted) if pair[0] != pair[1]][:2]
            expect(found == wanted, f"{self.name} under {self.broker.kind}, {table.name}: {len(found)} rows, "
                                    f"wanted {len(wanted)}; {differing}")
            count += len(wanted)
        return count


def rows_of(path):
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [line.split("\t") for line in text.decode().splitlines() if not line.startswith("#")]
