"""ZooKeeper's clients on the coordinator; Kafka 3.9.2 on the coordinator; the broker on Apache ZooKeeper."""
import os
import re
import signal
import subprocess

from harness import cmake, jars, venv
from harness.broker import Broker
from harness.context import expect, expect_equal, expect_in
from harness.runner import only


def coordinator(context):
    if not hasattr(context, "coordinator") or context.coordinator.child is None:
        context.coordinator = context.new_coordinator()
    return context.coordinator


def test_zkcli(context):
    server = coordinator(context)
    script = """create /cli first
get -s /cli
set /cli second
get /cli
create -s /cli/n- x
create -s /cli/n- y
create -e /cli/passing z
ls /cli
stat /cli
create /cli again
get /cli/none
set -v 9 /cli third
addauth digest me:secret
create /cli/mine data auth::cdrwa
getAcl /cli/mine
setAcl /cli/mine world:anyone:r
getAcl /cli/mine
delete /cli
deleteall /cli
ls /
sync /
quit
"""
    done = context.run(jars.java("3.9.2", "org.apache.zookeeper.ZooKeeperMain", "-server", server.connect), stdin=script)
    text = done.out + done.err
    for part in ("Created /cli\n", "first\n", "dataVersion = 0", "second\n", "Created /cli/n-0000000000",
                 "Created /cli/n-0000000001", "Created /cli/passing", "[n-0000000000, n-0000000001, passing]",
                 "numChildren = 3", "Node already exists: /cli", "Node does not exist: /cli/none",
                 "version No is not valid : /cli", "'digest,'me:", "'world,'anyone\n: r", "Node not empty: /cli"):
        expect_in(part, text)
    last = [line for line in text.splitlines() if line.startswith("[") and "zookeeper" in line][-1]
    expect("cli" not in last, last)


def test_kazoo(context):
    program = context.root / "compat-tests" / "python" / "kazoo_client.py"
    out = context.run([venv.python(context), program, coordinator(context).connect]).out
    expect_in("kazoo done", out)


def test_c_client(context):
    """On ZooKeeper 3.9.4 and on the coordinator under test: the same tests pass."""
    program = cmake.program(context, "compat_zookeeper", "compat-tests/zookeeper")
    passed = []
    for server in (context.new_coordinator("zookeeper"), context.new_coordinator()):
        out = context.run([program], env={"COMPAT_ZOOKEEPER": server.connect}).out
        passed.append(re.search(r"\[  PASSED  \] (\d+) test", out).group(1))
        server.stop()
    expect_equal(passed[1], passed[0], "tests passed")
    return f"{passed[0]} tests on both"


def test_four_letter_words(context):
    server = coordinator(context)
    expect_equal(server.command(b"ruok"), "imok", "ruok")
    expect_in("Mode: standalone", server.command(b"srvr"))
    expect_in("zk_server_state\tstandalone", server.command(b"mntr"))
    expect_in("zk_znode_count\t", server.command(b"mntr"))


def test_restart_keeps_nodes_and_sessions(context):
    server = context.new_coordinator()
    program = context.work / "sessions.py"
    program.write_text('''
import sys
from kazoo.client import KazooClient
one = KazooClient(hosts=sys.argv[1], timeout=30)
one.start(30)
one.create("/lasting", b"1")
one.create("/mine", b"2", ephemeral=True)
for number in range(500):
    one.create(f"/lasting/{number}", str(number).encode())
print("ready", flush=True)
sys.stdin.readline()
while not one.connected:
    one.handler.sleep_func(0.05)
assert one.exists("/mine").owner_session_id == one.client_id[0]
assert len(one.get_children("/lasting")) == 500
assert one.get("/lasting/499")[0] == b"499"
one.set("/lasting", b"3")
one.stop()
print("kept", flush=True)
''')
    for how in ("stop", "kill"):
        client = context.spawn([venv.python(context), program, server.connect], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)
        expect_equal(client.popen.stdout.readline(), b"ready\n", client.text())
        getattr(server, how)()
        server.start()
        client.popen.stdin.write(b"go\n")
        client.popen.stdin.close()
        expect_equal(client.popen.stdout.readline(), b"kept\n", client.text())
        expect_equal(client.wait(), 0, client.text())
        clean = f'''
from kazoo.client import KazooClient
one = KazooClient(hosts="{server.connect}")
one.start(30)
assert one.exists("/mine") is None
one.delete("/lasting", recursive=True)
one.stop()
'''
        context.run([venv.python(context), "-c", clean])
    server.stop()


def round_trip(context, broker, topic):
    data = "".join(f"{number}\n" for number in range(2000))
    context.run(["kcat", "-b", broker.bootstrap, "-P", "-t", topic, "-p", "0"], stdin=data)
    out = context.run(["kcat", "-b", broker.bootstrap, "-G", topic + "-group", "-X", "auto.offset.reset=earliest", "-e",
                       "-q", topic]).out
    expect_equal(out, data, topic)


@only("milena")
def test_kafka_on_our_coordinator(context):
    server = context.new_coordinator("milena")
    broker = Broker("kafka", context.work / "kafka", settings={"num.partitions": 1}, coordinator=server)
    context.brokers.append(broker)
    for topic in ("first", "second"):
        broker.start()
        round_trip(context, broker, topic)
        broker.stop()
    server.stop()


@only("milena")
def test_our_broker_on_apache_zookeeper(context):
    server = context.new_coordinator("kafka")
    broker = Broker("milena", context.work / "ours", context.binary, {"zookeeper.session.timeout.ms": 6000},
                    coordinator=server)
    context.brokers.append(broker)
    for topic in ("first", "second"):
        broker.start()
        round_trip(context, broker, topic)
        expect_equal(broker.stop(), 0, "exit code")
    # With a chroot of its own.
    broker.settings["zookeeper.connect"] = server.connect + "/a/chroot"
    broker.settings["log.dirs"] = context.work / "chroot-logs"
    broker.write_properties()
    broker.start()
    round_trip(context, broker, "third")
    broker.stop()
    server.stop()


@only("milena")
def test_lost_session_means_registration_anew(context):
    """The coordinator is away for longer than the session lasts; the broker comes back by itself."""
    server = context.new_coordinator("milena")
    broker = Broker("milena", context.work / "lost", context.binary, {"zookeeper.session.timeout.ms": 2000},
                    coordinator=server)
    context.brokers.append(broker)
    broker.start()
    round_trip(context, broker, "before")
    program = f'''
import time
from kazoo.client import KazooClient
one = KazooClient(hosts="{server.connect}")
one.start(30)
_, stat = one.get("/brokers/ids/0")
print(hex(stat.owner_session_id), stat.czxid)
one.stop()
'''
    before = context.run([venv.python(context), "-c", program]).out.split()
    os.kill(broker.child.pid, signal.SIGSTOP)
    context.run([venv.python(context), "-c", f'''
from kazoo.client import KazooClient
one = KazooClient(hosts="{server.connect}")
one.start(30)
while one.exists("/brokers/ids/0"):
    one.handler.sleep_func(0.1)
one.stop()
'''])
    os.kill(broker.child.pid, signal.SIGCONT)
    context.run([venv.python(context), "-c", f'''
from kazoo.client import KazooClient
one = KazooClient(hosts="{server.connect}")
one.start(30)
while not one.exists("/brokers/ids/0") or not one.exists("/controller"):
    one.handler.sleep_func(0.1)
one.stop()
'''])
    after = context.run([venv.python(context), "-c", program]).out.split()
    expect(before[0] != after[0] and int(before[1]) < int(after[1]), f"{before} {after}")
    context.wait_for_topic(broker, "before")
    round_trip(context, broker, "after")
    broker.stop()
    server.stop()
