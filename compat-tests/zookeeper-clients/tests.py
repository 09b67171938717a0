"""ZooKeeper's clients, each on Apache ZooKeeper 3.9.4 and on the coordinator in the same test: the same outcome."""
import difflib
import re
import threading

from harness import go, jars, npm, venv
from harness.context import expect
from harness.process import Failure
from harness.runner import only

SETTINGS = {"extendedTypesEnabled": "true", "enforceQuota": "true", "znode.container.checkIntervalMs": 100}


class Servers:
    """Apache ZooKeeper and ours, shared by the tests of this folder."""

    def __init__(self, context):
        self.real = context.new_coordinator("zookeeper", start=False, settings=SETTINGS)
        self.real.java_options.append("-Dznode.container.checkIntervalMs=100")  # it reads this one from the JVM only
        self.ours = context.new_coordinator("milena", start=False, settings=SETTINGS)
        both(lambda server: server.start(), self.real, self.ours)


def both(call, real, ours):
    """The call for the two servers at once: most clients wait more than they work."""
    results, problems = {}, []

    def run(server):
        try:
            results[server] = call(server)
        except BaseException as problem:  # pylint: disable=broad-except
            problems.append(problem)

    threads = [threading.Thread(target=run, args=(server,)) for server in (real, ours)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]
    return results[real], results[ours]


def servers(context):
    if not hasattr(context, "servers"):
        context.servers = Servers(context)
    return context.servers


def compare(real, ours, what, done=None):
    """Both texts are equal, and not because both failed."""
    if real != ours:
        lines = difflib.unified_diff(real.splitlines(), ours.splitlines(), "ZooKeeper 3.9.4", "milena", lineterm="", n=4)
        raise Failure(f"{what} differs:\n" + "\n".join(lines))
    for bad in ("failed:", "FAILED", "never:", "no event", "problem:", "in vain for", " events came"):
        if bad in real:
            raise Failure(f"{what} fails on both: {[line for line in real.splitlines() if bad in line]}")
    if done and done not in real:
        raise Failure(f"{what} didn't come to its end:\n{real[-2000:]}")
    return f"{len(real.splitlines())} lines equal"


def program(context, command, done, **options):
    both_servers = servers(context)
    real, ours = both(lambda server: context.run([*command, server.connect], **options).out, both_servers.real,
                      both_servers.ours)
    return compare(real, ours, str(command[-1]), done)


def same_order(text):
    """whoami lists a set."""
    return re.sub(r"(?<=Auth scheme: User\n)(?:  \w+: \S+\n)+", lambda match: "".join(sorted(match[0].splitlines(True))), text)


def test_zkcli_and_curator(context):
    both_servers = servers(context)
    script = context.root / "compat-tests" / "zookeeper-clients" / "zkcli.txt"
    files = [context.work / "real", context.work / "ours"]
    context.run(jars.java(jars.ZOOKEEPER, "Clients", script, both_servers.real.connect, files[0], both_servers.ours.connect,
                          files[1]))
    texts = []
    for file, server in zip(files, (both_servers.real, both_servers.ours)):
        text = file.with_suffix(".zkcli").read_text("utf-8")
        text = re.sub(r"time = .*", "time = <time>", text.replace(server.connect, "<server>"))
        texts.append(same_order(text))
    commands = texts[0].count("\n> ") + 1
    compare(*texts, "zkCli", "exit")
    recipes = [file.with_suffix(".curator").read_text("utf-8") for file in files]
    compare(*recipes, "Curator", "one is left")
    return f"{commands} commands of zkCli, {recipes[0].count('== ')} cases of Curator"


def test_kazoo(context):
    return program(context, [venv.python(context), context.root / "compat-tests" / "zookeeper-clients" / "kazoo_recipes.py"],
                   "kazoo done")


def test_go(context):
    binary = go.build(context, context.root / "compat-tests" / "zookeeper-clients" / "go", "go-zookeeper-client")
    return program(context, [binary], "go done")


def test_node(context):
    target = npm.installed(context, context.root / "compat-tests" / "zookeeper-clients" / "node", "node-zookeeper")
    return program(context, ["node", target / "client.js"], "node done")


def test_directories_exchanged(context):
    """What those clients left: ours is opened by ZooKeeper 3.9.4, its by ours, and nothing is different."""
    both_servers = servers(context)
    dump = [venv.python(context), context.root / "compat-tests" / "zookeeper-clients" / "dump.py"]

    def exchange(server):
        before = context.run([*dump, server.connect, "fill"]).out
        code = server.stop()
        expect(code == (0 if server.kind == "milena" else 143), f"{server.kind} ended with {code}")
        server.kind, server.binary = ("zookeeper" if server.kind == "milena" else "milena"), context.binary
        server.start()
        compare(before, context.run([*dump, server.connect]).out, server.kind + " on the other's directory", "nodes: ")
        return before.splitlines()[-1]

    return " and ".join(both(exchange, both_servers.real, both_servers.ours))


for name, value in list(globals().items()):
    if name.startswith("test_"):
        only("milena")(value)
