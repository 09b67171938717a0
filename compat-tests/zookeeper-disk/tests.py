"""dataDirs of ZooKeeper 3.5 to 3.9, killed in mid-write: opened in place, refused if damaged, and handed back."""
import hashlib
import os
import pathlib
import random
import shutil
import sys
import threading

from harness.context import expect, expect_equal
from harness.process import wait_until
from harness.runner import only

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "zookeeper-oracle"))
import codec  # noqa: E402
import oracle  # noqa: E402
import stream  # noqa: E402

FILE_HEADER_BYTES = 20
VERSIONS = ["3.5.10", "3.9.4"] if os.environ.get("MILENA_LONG") != "1" else ["3.5.10", "3.6.4", "3.7.2", "3.8.4", "3.9.4"]
WRITERS = 3
WRITES = 2500
SETTINGS = {"snapCount": 200, "preAllocSize": 64, "maxSessionTimeout": 600000,
            "DigestAuthenticationProvider.superDigest": stream.digest(b"super:secret")}


def write_on(side, slot, answers, stats):
    """Creates, some of them ephemeral, sets, deletes and multis, ten at a time, until the server dies."""
    connection, number, randoms = side.connections[slot], 0, random.Random(slot)
    while connection.is_open:
        requests = []
        for _ in range(10):
            path, number = f"/w{slot}/n{number:07}", number + 1
            kind = randoms.randrange(8)
            if kind < 5:
                acl = randoms.choice([stream.OPEN, [(31, "digest", stream.digest(b"ann:one")), (1, "world", "anyone")]])
                requests.append(("create", path, b"%d" % number * randoms.choice([1, 1, 1, 300]), acl, kind == 4))
            elif kind == 5:
                requests.append(("setData", f"/w{slot}", b"%d" % number, -1))
            elif kind == 6:
                requests.append(("delete", f"/w{slot}/n{number - 7:07}", -1))
            else:
                requests.append(("multi", [("create", path, b"", stream.OPEN, 0), ("delete", path, 0),
                                           ("create", path + "-b", b"", stream.OPEN, 0)]))
        connection.pending = list(requests)
        connection.send(b"".join(codec.frame_of(request, 1) for request in requests))
        for request, reply in zip(requests, connection.read_replies(exact=True)):
            if reply == oracle.CLOSED:
                return
            answers.append((reply[2], request, reply[3]))
            if request[0] == "setData":
                stats[request[1]] = reply[4]


def written_directory(context, version, settings):
    """A server of this version killed under writers; returns its directory, what was answered, and the sessions."""
    server = context.new_coordinator("zookeeper" if version == "3.9.4" else f"zookeeper-{version}", start=False,
                                     settings={**SETTINGS, **settings})
    server.java_options = server.java_options + [f"-Dzookeeper.{key}={value}" for key, value in settings.items()]
    server.start()
    side = oracle.Side(version, server.port)
    answers, stats, threads = [], {}, []
    for slot in range(WRITERS):
        side.handshake(slot, 0, bytes(16), 500000, 0, True)
        ask(side, slot, ("create", f"/w{slot}", b"", stream.OPEN, 0))
        threads.append(threading.Thread(target=write_on, args=(side, slot, answers, stats)))
    for thread in threads:
        thread.start()
    wait_until("writes", lambda: len(answers) >= WRITES or not server.child.running(), guard_s=300, pause_s=0.001)
    server.kill()
    for thread in threads:
        thread.join()
    expect(len(answers) >= WRITES, f"only {len(answers)} answers: {server.log.read_text()[-1000:]}")
    return server.directory / "data", sorted(answers, key=lambda answer: answer[0]), stats, side


def ask(side, slot, request):
    connection = side.connections[slot]
    connection.pending = [request]
    connection.send(codec.frame_of(request, 1))
    return connection.read_replies(exact=True)[-1]


def hashes(directory):
    return {str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(directory.rglob("*")) if path.is_file() and path.name != ".lock"}


def check_answers(nodes, answers, stats):
    """Every answered write is there."""
    made, gone = {}, set()
    for zxid, request, error in answers:
        for part in request[1] if request[0] == "multi" else [request]:
            if error != 0 or part[0] == "setData":
                continue
            if part[0] == "create":
                made[part[1]] = zxid
            else:
                gone.add(part[1])
                made.pop(part[1], None)
    last = max(answers)[0]
    lost = [path for path, zxid in made.items() if path not in nodes or nodes[path]["czxid"] != zxid]
    # A delete without an answer may have been done.
    lost = [path for path in lost if path in nodes or not any(nodes[parent]["pzxid"] > last for parent in
                                                            [path[:path.rindex("/")]])]
    expect(not lost, f"{len(lost)} answered creates are lost: {lost[:5]}")
    back = [path for path in gone if path in nodes and path not in made and nodes[path]["czxid"] <= last]
    expect(not back, f"deleted and there: {back[:5]}")
    for path, stat in stats.items():
        expect(nodes[path]["version"] >= stat["version"], f"{path}: version {nodes[path]['version']} after {stat['version']}")
        if nodes[path]["version"] == stat["version"]:
            expect_equal((nodes[path]["mzxid"], nodes[path]["mtime"]), (stat["mzxid"], stat["mtime"]), path)
    return len(made)


def copy_of(context, directory):
    copy = context.work / context.name("copy")
    shutil.copytree(directory, copy)
    return copy


def check_damage(context, directory, expected):
    """A bit flipped in a file, a file missing: refused without a change, or nothing lost."""
    # The kill may have come right behind the creation of a file: it has no record then, and no bit to flip.
    names = [path.name for path in (directory / "version-2").iterdir() if len(path.read_bytes().rstrip(b"\0")) > FILE_HEADER_BYTES]
    logs, snapshots = (sorted((name for name in names if name.startswith(kind)), key=lambda name: int(name.split(".")[1], 16))
                       for kind in ("log.", "snapshot."))
    randoms, refused, opened = random.Random(5), 0, 0
    # With all snapshots, and with the oldest alone, which needs every log. (That the last log is missing cannot be seen.)
    cases = [(False, name, True) for name in snapshots[-2:] + logs[-2:]] + [(False, snapshots[-1], False)]
    cases += [(True, name, flip) for name in [snapshots[0], logs[0], logs[len(logs) // 2], logs[-2]] for flip in (True, False)]
    for alone, name, flip in cases:
        copy = copy_of(context, directory)
        for snapshot in snapshots[1:] if alone else []:
            (copy / "version-2" / snapshot).unlink()
        victim = copy / "version-2" / name
        if flip:
            data = bytearray(victim.read_bytes())
            data[randoms.randrange(FILE_HEADER_BYTES, max(FILE_HEADER_BYTES + 1, len(data.rstrip(b"\0")) - 200))] ^= 1 << randoms.randrange(8)
            victim.write_bytes(data)
        else:
            victim.unlink()
        before = hashes(copy)
        server = context.new_coordinator("milena", start=False, settings={**SETTINGS, "dataDir": copy})
        child = server.launch()
        wait_until("a start or its end", lambda: server.serves() or not child.running())
        if child.running():
            side = oracle.Side("Milena", server.port)
            found = oracle.walk(side)
            side.close()
            server.kill()
            oracle.compare_trees(expected, found, f"{name} {'with a flipped bit' if flip else 'missing'}, and opened")
            opened += 1
        else:
            text = server.log.read_text()
            expect("Nothing was changed" in text and str(copy) in text, f"{name}: {text[-1000:]}")
            expect_equal(hashes(copy), before, f"files after a refusal because of {name}")
            refused += 1
        context.brokers.remove(server)
        shutil.rmtree(copy)
    expect(refused >= 6, f"only {refused} were refused")
    return refused, opened


def check_version(context, version, settings=None, with_damage=False):
    directory, answers, stats, before = written_directory(context, version, settings or {})
    server = context.new_coordinator("milena", settings={**SETTINGS, "dataDir": copy_of(context, directory)})
    side = oracle.Side("Milena", server.port)
    nodes = oracle.walk(oracle.Side("Milena", server.port))  # ids as they are
    kept = check_answers(nodes, answers, stats)
    for slot, (session_id, password) in before.sessions.items():
        answer = side.handshake(slot, session_id, password, 400000, answers[-1][0], True)
        expect(answer[0] == "connected" and answer[2] == 400000, f"session of {version}: {answer}")
        mine = {path for path, node in nodes.items() if node["owner"] == owner(session_id)}
        expect_equal(set(ask(side, slot, ("getEphemerals", "/"))[4]), mine, "ephemerals")
    expect(ask(side, 0, ("create", "/after", b"", stream.OPEN, 0))[2] > answers[-1][0], "the zxid goes on")
    note = ""
    if with_damage:
        refused, opened = check_damage(context, directory, nodes)
        note = f", damaged: {refused} refused, {opened} opened without loss"
    # And back.
    nodes = oracle.walk(oracle.Side("Milena", server.port))
    side.close()
    server.kill()
    own = context.new_coordinator("zookeeper" if version == "3.9.4" else f"zookeeper-{version}", start=False,
                                  settings={**SETTINGS, **(settings or {}),
                                            "dataDir": server.properties.read_text().split("dataDir=")[1].split("\n")[0]})
    own.java_options = own.java_options + [f"-Dzookeeper.{key}={value}" for key, value in (settings or {}).items()]
    own.start()
    side = oracle.Side(version, own.port)
    oracle.compare_trees(nodes, oracle.walk(side), f"ZooKeeper {version} on what Milena left")
    side.close()
    own.stop()
    return f"{version}{' without digests' if settings else ''}: {kept} nodes{note}"


def last_record(data):
    """Where the last record of a log begins and ends."""
    start, at = 0, 16
    while (size := int.from_bytes(data[at + 8:at + 12], "big")) > 0:
        start, at = at, at + 12 + size + 1
    return start, at


def lack_a_page(log):
    """As lost power leaves a record of which one page of several didn't reach the disk."""
    data = bytearray(log.read_bytes())
    start, end = last_record(data)
    page = (start + 4096) // 4096 * 4096
    expect(page + 4096 < end, f"the last record, {start} to {end}, has no page inside")
    data[page:page + 4096] = bytes(4096)
    log.write_bytes(data)


def lack_a_header(log):
    """As it leaves a file that had just been made."""
    log.with_name("log.99").write_bytes(bytes(65536))


@only("milena")
def test_torn_end_and_back(context):
    """Milena's log after lost power: ZooKeeper doesn't start on it, but does once Milena has. So does the 3.8.4 that Kafka ships."""
    first = context.new_coordinator("milena", settings=SETTINGS)
    side = oracle.Side("Milena", first.port)
    side.handshake(0, 0, bytes(16), 30000, 0, True)
    for path, size in (("/small", 10), ("/large", 20000)):
        expect_equal(ask(side, 0, ("create", path, b"x" * size, stream.OPEN, 0))[3], 0, path)
    side.close()
    first.kill()
    for tear, complaint in ((lack_a_page, "CRC check failed"), (lack_a_header, "invalid magic number 0 != ")):
        torn = copy_of(context, first.directory / "data")
        logs = list((torn / "version-2").glob("log.*"))
        expect_equal(len(logs), 1, "logs")
        tear(logs[0])
        own = context.new_coordinator("zookeeper", start=False, settings={**SETTINGS, "dataDir": copy_of(context, torn)})
        expect_equal(own.launch().wait(), 1, "exit code of ZooKeeper on the torn log")
        expect(complaint in own.log.read_text(), own.log.read_text()[-1000:])
        server = context.new_coordinator("milena", settings={**SETTINGS, "snapCount": 2, "dataDir": torn})
        side = oracle.Side("Milena", server.port)
        side.handshake(0, 0, bytes(16), 30000, 0, True)
        expect_equal(ask(side, 0, ("create", "/after", b"", stream.OPEN, 0))[3], 0, "/after")
        nodes = oracle.walk(side)
        wait_until("a snapshot of ours", lambda torn=torn: len(list((torn / "version-2").glob("snapshot.*"))) > 1)
        expect_equal({"/small" in nodes, "/after" in nodes, ("/large" in nodes) == (tear is lack_a_header)}, {True}, "znodes")
        side.close()
        server.kill()
        own = context.new_coordinator("kafka" if tear is lack_a_header else "zookeeper", settings={**SETTINGS, "dataDir": torn})
        side = oracle.Side("ZooKeeper", own.port)
        oracle.compare_trees(nodes, oracle.walk(side), "ZooKeeper on what Milena left")
        side.close()
        own.stop()
    return "a page, a header"


def move_files(start, source, target):
    (target / "version-2").mkdir(parents=True, exist_ok=True)
    for path in (source / "version-2").glob(start + "*"):
        path.rename(target / "version-2" / path.name)


def check_refused_apart(context, work, settings):
    """ZooKeeper and Milena refuse files that are in the wrong one of the two, with the same exit code."""
    before = hashes(work)
    for kind, words in (("milena", "Nothing was changed. Check dataDir and dataLogDir"),
                        ("zookeeper", "Check if dataLogDir and dataDir configuration is correct")):
        server = context.new_coordinator(kind, start=False, settings={**SETTINGS, **settings})
        child = server.launch()
        wait_until(f"the refusal of {kind}", lambda: server.serves() or not child.running())
        expect(not child.running(), f"{kind} serves {settings}")
        expect_equal(child.wait(), 3, f"exit code of {kind}")
        expect(words in server.log.read_text(), f"{kind}: {server.log.read_text()[-1000:]}")
        expect_equal(hashes(work), before, f"files after {kind} refused them")
        context.brokers.remove(server)


@only("milena")
def test_log_directory_apart(context):
    """dataDir and dataLogDir apart: from ZooKeeper to Milena and back; and what either says when files are in the wrong one."""
    work = context.work / context.name("apart")
    settings = {"dataDir": work / "data", "dataLogDir": work / "log"}
    _, answers, stats, _ = written_directory(context, "3.9.4", settings)
    last, later = answers[-1][0], {}
    for turn in ("Milena", "ZooKeeper", "Milena again"):
        server = context.new_coordinator("zookeeper" if turn == "ZooKeeper" else "milena", settings={**SETTINGS, **settings})
        side = oracle.Side(turn, server.port)
        nodes = oracle.walk(side)
        kept = check_answers(nodes, answers, stats)
        expect_equal({path: nodes[path]["czxid"] for path in later if path in nodes}, later, f"what was made before {turn}")
        side.handshake(0, 0, bytes(16), 30000, 0, True)
        reply = ask(side, 0, ("create", f"/after-{turn.replace(' ', '-')}", b"", stream.OPEN, 0))
        expect(reply[3] == 0 and reply[2] > last, f"{turn}: {reply} after {last}")
        last = later[reply[4]] = reply[2]
        side.close()
        server.kill()
    for folder, start in (("data", "snapshot."), ("log", "log.")):
        names = [path.name for path in (work / folder / "version-2").iterdir()]
        expect(names and all(name.startswith(start) for name in names), f"{folder}: {names}")
    # One log is left with the snapshots, then one snapshot with the logs.
    check_refused_apart(context, work, {"dataDir": work / "log", "dataLogDir": work / "data"})
    move_files("log.", work / "log", work / "data")
    check_refused_apart(context, work, settings)
    move_files("log.", work / "data", work / "log")
    move_files("snapshot.", work / "data", work / "log")
    check_refused_apart(context, work, settings)
    return f"{kept} nodes, three turns, three refusals"


def owner(session_id):
    return f"0x{session_id & (2 ** 64 - 1):x}"


@only("milena")
def test_killed_in_mid_write(context):
    return "; ".join(check_version(context, version, with_damage=version == VERSIONS[-1]) for version in VERSIONS)


@only("milena")
def test_without_digests(context):
    return check_version(context, "3.9.4", {"digest.enabled": "false"})
