"""SASL and access rules: zkCli, kazoo, Kafka 3.9.2 and our broker, on ZooKeeper 3.9.4 and on us, the same outcome."""
import pathlib
import re
import subprocess
import sys
import threading

from harness import jars, venv
from harness.broker import Broker
from harness.context import expect, expect_equal, expect_in
from harness.process import Failure, wait_until
from harness.runner import only

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import kdc  # noqa: E402
import raw  # noqa: E402

DIGEST = "org.apache.zookeeper.server.auth.DigestLoginModule required"
USERS = 'user_kafka="kafka secret" user_other="o\\"\\\\thers" user_admin="as"'
USERS_WITH_ANOTHER_PASSWORD = f'{DIGEST} user_kafka="another"'
PROVIDER = {"authProvider.1": "org.apache.zookeeper.server.auth.SASLAuthenticationProvider"}
JAAS = "-Djava.security.auth.login.config="
NO_FIPS = "-Dzookeeper.fips-mode=false"  # without it the client of 3.9 refuses DIGEST-MD5
# Not expectations: how long to wait for what should come soon.
GUARD_S = 240


def at_once(*calls):
    """The calls' results; each waits more than it works."""
    results, problems = [None] * len(calls), []

    def run(index):
        try:
            results[index] = calls[index]()
        except BaseException as problem:  # pylint: disable=broad-except
            problems.append(problem)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]
    return results


def jaas_file(context, **sections):
    path = context.work / context.name("jaas")
    path.write_text("".join(f"{name} {{\n  {body};\n}};\n" for name, body in sections.items()))
    return path


def coordinators(context, settings, *kinds, options=(), environment=None, **sections):
    """Servers of these kinds that know the users of section Server."""
    servers = []
    for kind in kinds:
        server = context.new_coordinator(kind, start=False, settings={**PROVIDER, **settings})
        server.java_options += [f"{JAAS}{jaas_file(context, **sections)}", *options]
        server.environment = environment or {}
        servers.append(server)
    at_once(*[server.start for server in servers])
    return servers


def pair(context):
    """ZooKeeper and ours with the users above, for all tests that change nothing."""
    if not hasattr(context, "sasl_pair"):
        context.sasl_pair = coordinators(context, {"superUser": "admin"}, "zookeeper", "milena", Server=f"{DIGEST} {USERS}")
    return context.sasl_pair


def expect_same(real, ours, what):
    if real != ours:
        lines = [f"ZooKeeper: {a}\n   milena: {b}" for a, b in zip(real.splitlines(), ours.splitlines()) if a != b]
        raise Failure(f"{what} differs:\n" + "\n".join(lines) + f"\n{len(real.splitlines())} and {len(ours.splitlines())} lines")
    return f"{len(real.splitlines())} lines equal"


# Tokens

@only("milena")
def test_tokens_in_every_order(context):
    real, ours = (raw.cases(server.port) for server in pair(context))
    expect_in("right: xid 0 zxid 0 error 0 realm", ours)
    return expect_same(real, ours, "a token's answer")


@only("milena")
def test_connections_that_must_authenticate(context):
    modes = ({"sessionRequireClientSASLAuth": "true"}, {"enforce.auth.enabled": "true", "enforce.auth.schemes": "digest,sasl"},
             {"allowSaslFailedClients": "true"})

    def compare(settings):
        servers = coordinators(context, settings, "zookeeper", "milena", Server=f"{DIGEST} {USERS}")
        texts = [raw.cases(server.port) for server in servers]
        for server in servers:
            server.kill()
        return expect_same(*texts, f"an answer under {settings}")

    return "; ".join(at_once(*[lambda settings=settings: compare(settings) for settings in modes]))


# Clients

@only("milena")
def test_kazoo(context):
    program = context.root / "compat-tests" / "zookeeper-sasl" / "kazoo_sasl.py"
    real, ours = at_once(*[lambda server=server: context.run([venv.python(context), program, "scenario", server.connect]).out
                           for server in pair(context)])
    expect_in("rules: [(31, 'sasl', 'kafka')]", ours)
    for user in ("kafka", "stranger"):
        expect_in(f"{user}: ", ours)
        expect(f"{user}: let in" not in ours, "a wrong password is let in")
    for server in pair(context):
        expect("kafka secret" not in server.child.text(), "a password in a log")
    return expect_same(real, ours, "kazoo")


def zkcli(context, server, script, jaas=None, options=(), environment=None):
    """What zkCli prints for these lines, without what is no answer."""
    flags = [f"{JAAS}{jaas}", NO_FIPS] if jaas else []
    command = jars.java(jars.ZOOKEEPER, "org.apache.zookeeper.ZooKeeperMain", "-server", server.connect, "-timeout", "30000",
                        "-waitforconnection", options=[*flags, *options], log_level="WARN")
    done = context.run(command, stdin="\n".join([*script, "quit", ""]), code=None, env=environment)
    text = re.sub(r"\[zk: [^\]]*\] ", "", done.out)
    noise = ("Connecting to", "Welcome", "JLine", "WATCHER", "WatchedEvent", "log4j", "SLF4J")
    answers = [line for line in text.splitlines() if line.strip() and not line.startswith(noise)]
    problems = [line for line in done.err.splitlines() if line.startswith(("Insufficient", "KeeperErrorCode", "Node does not"))]
    return "\n".join(answers + problems)


@only("milena")
def test_zkcli(context):
    kafka = jaas_file(context, Client=f'{DIGEST} username="kafka" password="kafka secret"')

    def session(server):
        first = zkcli(context, server, ["create /cli x auth::cdrwa", "getAcl /cli", "create /cli/ro y sasl:other:r", "getAcl /cli/ro",
                                        "whoami", "addauth digest user:pass", "create /cli/two z auth::r", "getAcl /cli/two",
                                        "get /cli", "deleteall /cli/two"], kafka)
        second = zkcli(context, server, ["get /cli", "getAcl /cli", "set /cli z", "ls /"])
        return first + "\n--\n" + second

    def refused(server):
        wrong = jaas_file(context, Client=f'{DIGEST} username="kafka" password="wrong"')
        command = jars.java(jars.ZOOKEEPER, "org.apache.zookeeper.ZooKeeperMain", "-server", server.connect, "-waitforconnection",
                            "ls", "/", options=[f"{JAAS}{wrong}", NO_FIPS])
        done = context.run(command, code=None)
        return f"{done.code} {'AUTH_FAILED' in done.out + done.err or 'AuthFailed' in done.out + done.err}"

    real, ours, *failures = at_once(*[lambda server=server: session(server) for server in pair(context)],
                                    *[lambda server=server: refused(server) for server in pair(context)])
    expect_in("'sasl,'kafka", ours)
    expect_in("Insufficient permission", ours)
    expect_equal(failures[1], failures[0], "a wrong password")
    expect_in("True", failures[0])
    return expect_same(real, ours, "zkCli")


# zookeeper.set.acl

CLIENT = f'{DIGEST} username="kafka" password="kafka secret"'


def tree(context, server):
    program = context.root / "compat-tests" / "zookeeper-sasl" / "kazoo_sasl.py"
    out = context.run([venv.python(context), program, "tree", server.connect, "kafka", "kafka secret"]).out
    # What has a number of its own is one kind of node.
    lines = {re.sub(r"(?<=config_change_)\d+", "N", line) for line in out.splitlines()}
    return dict(line.split(" ", 1) for line in lines)


def run_broker(context, kind, server, chroot="/kafka"):
    """The rules of all znodes that a broker and its clients leave."""
    broker = Broker(kind, context.work / context.name("broker"), context.binary, coordinator=server, settings={
        "zookeeper.set.acl": "true", "zookeeper.connect": server.connect + chroot, "zookeeper.session.timeout.ms": 30000,
        "offsets.topic.num.partitions": 1, "log.cleaner.enable": "false", "num.io.threads": 2, "background.threads": 2})
    broker.heap = "320m"
    broker.java_options = [f"{JAAS}{jaas_file(context, Client=CLIENT)}"]
    context.brokers.append(broker)
    broker.start()
    program = context.root / "compat-tests" / "zookeeper-sasl" / "work.py"
    expect_in("100 records", context.run([venv.python(context), program, broker.bootstrap]).out)
    wait_until("the end of the deleted topic", lambda: not any("/gone" in path for path in tree(context, server)), GUARD_S)
    rules = tree(context, server)
    expect("kafka secret" not in broker.child.text(), "a password in a log")
    broker.kill()
    return rules


@only("milena")
def test_kafka_and_our_broker_own_their_znodes(context):
    """Kafka 3.9.2 and our broker, each on ZooKeeper 3.9.4 and on ours: one broker, the same work, the same rules."""
    kinds = [("kafka", "zookeeper"), ("kafka", "milena"), ("milena", "zookeeper"), ("milena", "milena")]

    def run(broker, coordinator):
        server = coordinators(context, {}, coordinator, Server=f"{DIGEST} {USERS}")[0]
        rules = run_broker(context, broker, server)
        server.kill()
        return rules

    first, *others = at_once(*[lambda kind=kind: run(*kind) for kind in kinds])
    expect_equal(first["/kafka/config/brokers/0"], "31:sasl:kafka", "a sensitive node")
    expect_equal(first["/kafka/consumers"], "31:world:anyone", "the open node")
    expect_equal(first["/kafka/brokers/topics/orders/partitions/1/state"], "1:world:anyone 31:sasl:kafka", "a partition")
    expect_equal(others[0], first, "Kafka on ours")
    for kind, rules in zip(kinds[2:], others[1:]):
        differing = {path: (text, first[path]) for path, text in rules.items() if path in first and text != first[path]}
        expect_equal(differing, {}, f"rules of {kind}")
        context.say(f"{kind}: nodes of Kafka alone {sorted(set(first) - set(rules))}, of ours alone {sorted(set(rules) - set(first))}")
        # Paths of features that this broker doesn't serve yet may be missing; it makes none that Kafka doesn't.
        expect_equal(sorted(set(rules) - set(first)), [], f"nodes that only {kind} has")
    return f"{len(first)} nodes of Kafka's, {len(others[1])} of ours"


@only("milena")
def test_a_broker_with_a_wrong_password_does_not_start(context):
    server = pair(context)[1]
    broker = Broker("milena", context.work / context.name("broker"), context.binary, coordinator=server)
    wrong = CLIENT.replace("kafka secret", "hunter2")
    broker.java_options = [f"{JAAS}{jaas_file(context, Client=wrong)}"]
    context.brokers.append(broker)
    expect_equal(broker.launch().wait(), 1, "the exit code")
    log = broker.log.read_text()
    expect_in("SASL authentication (DIGEST-MD5) with ZooKeeper failed: the server answers AUTHFAILED", log)
    expect_in("Auth failed either before or while waiting for connection", log)
    expect("hunter2" not in log, "the password is in the log")


@only("milena")
def test_a_session_survives_its_coordinators_restart(context):
    """Each connection is authenticated anew: after a restart the broker is still the owner of its znodes."""
    server = coordinators(context, {"sessionRequireClientSASLAuth": "true"}, "milena", Server=f"{DIGEST} {USERS}")[0]
    broker = Broker("milena", context.work / context.name("broker"), context.binary, coordinator=server,
                    settings={"zookeeper.set.acl": "true", "zookeeper.session.timeout.ms": 30000})
    broker.java_options = [f"{JAAS}{jaas_file(context, Client=CLIENT)}"]
    context.brokers.append(broker)
    broker.start()
    server.kill()
    server.start()
    wait_until("the broker's session", lambda: "re-attached" in broker.child.text(), GUARD_S)
    program = context.root / "compat-tests" / "zookeeper-sasl" / "work.py"
    expect_in("100 records", context.run([venv.python(context), program, broker.bootstrap]).out)
    rules = tree(context, server)
    expect_equal(rules["/brokers/topics/orders"], "1:world:anyone 31:sasl:kafka", "a topic made after the restart")
    expect_equal(broker.stop_broker_only(), 0, "the broker's exit code")


@only("milena")
def test_a_password_that_changes_under_a_running_broker(context):
    """As Kafka's client: it goes on trying, and registers anew once it is let in. Nothing is served wrongly meanwhile."""
    server = coordinators(context, {"sessionRequireClientSASLAuth": "true"}, "milena", Server=f"{DIGEST} {USERS}")[0]
    broker = Broker("milena", context.work / context.name("broker"), context.binary, coordinator=server,
                    settings={"zookeeper.set.acl": "true", "zookeeper.session.timeout.ms": 30000})
    broker.java_options = [f"{JAAS}{jaas_file(context, Client=CLIENT)}"]
    context.brokers.append(broker)
    broker.start()
    server.kill()
    right = server.java_options
    server.java_options = [f"{JAAS}{jaas_file(context, Server=USERS_WITH_ANOTHER_PASSWORD)}"]
    server.start()
    wait_until("two refusals", lambda: broker.child.text().count("No new ZooKeeper session yet: Auth failed") >= 2, GUARD_S)
    expect(broker.running(), "the broker ended")
    server.kill()
    server.java_options = right
    server.start()
    wait_until("a new registration", lambda: broker.child.text().count("Registered broker 0 at path") >= 2, GUARD_S)
    expect_equal(tree(context, server)["/brokers/ids/0"], "1:world:anyone 31:sasl:kafka", "the new registration")
    expect_equal(broker.stop_broker_only(), 0, "the broker's exit code")
    expect("kafka secret" not in broker.log.read_text(), "a password in a log")


# Kerberos

def kerberos(key_table, principal, more=""):
    return (f'com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true storeKey=true keyTab="{key_table}" '
            f'principal="{principal}" {more}')


@only("milena")
def test_kerberos(context):
    """GSSAPI from a KDC of its own: zkCli and our broker's client, on ZooKeeper and on ours."""
    realm = kdc.Kdc(context)
    service, client = f"zookeeper/localhost@{kdc.REALM}", f"kafka/localhost@{kdc.REALM}"
    service_keys, client_keys = realm.key_table(service), realm.key_table(client)
    options = [f"-Djava.security.krb5.conf={realm.config}"]
    rules = "-Dzookeeper.security.auth_to_local=RULE:[2:$1](kafka.*)s/kafka/broker/DEFAULT"
    servers = coordinators(context, {}, "zookeeper", "milena", options=[*options, rules], environment=realm.environment,
                           Server=kerberos(service_keys, service))
    login = jaas_file(context, Client=kerberos(client_keys, client))
    to_service = [*options, f"-Dzookeeper.server.principal={service}"]

    def session(server):
        return zkcli(context, server, ["create /k x auth::cdrwa", "getAcl /k", "whoami", "get /k"], login, to_service)

    real, ours = at_once(*[lambda server=server: session(server) for server in servers])
    expect_in(f"'sasl,'broker/localhost@{kdc.REALM}", ours)
    same = expect_same(real, ours, "zkCli by Kerberos")

    def own(server):
        broker = Broker("milena", context.work / context.name("broker"), context.binary, coordinator=server,
                        settings={"zookeeper.set.acl": "true", "zookeeper.connect": server.connect + "/broker"})
        broker.java_options = [f"{JAAS}{login}", *to_service]
        broker.environment = realm.environment
        context.brokers.append(broker)
        broker.start()
        text = zkcli(context, server, ["getAcl /broker/brokers/ids/0", "getAcl /broker/config/users", "get /broker/cluster/id"])
        broker.kill()
        return text

    real, ours = at_once(*[lambda server=server: own(server) for server in servers])
    expect_in(f"'sasl,'broker/localhost@{kdc.REALM}", ours)
    clean = [re.sub(r'"id":"[^"]*"', "ID", text) for text in (real, ours)]
    expect_same(*clean, "the broker's znodes by Kerberos")
    for server in servers:
        server.kill()
    return same


@only("milena")
def test_kerberos_names_and_strangers(context):
    """Host and realm taken off the name; a key table of another principal is no login."""
    realm = kdc.Kdc(context)
    service, client = f"zookeeper/localhost@{kdc.REALM}", f"kafka/localhost@{kdc.REALM}"
    service_keys, client_keys = realm.key_table(service), realm.key_table(client)
    server = coordinators(context, {"kerberos.removeHostFromPrincipal": "true", "kerberos.removeRealmFromPrincipal": "true"},
                          "milena", options=[f"-Djava.security.krb5.conf={realm.config}"], Server=kerberos(service_keys, service))[0]
    broker = Broker("milena", context.work / context.name("broker"), context.binary, coordinator=server,
                    settings={"zookeeper.set.acl": "true"})
    # localhost, not the address: the service's principal has it.
    broker.settings["zookeeper.connect"] = f"localhost:{server.port}"
    broker.write_properties()
    broker.java_options = [f"{JAAS}{jaas_file(context, Client=kerberos(client_keys, client))}",
                           "-Dzookeeper.sasl.client.canonicalize.hostname=false", f"-Djava.security.krb5.conf={realm.config}"]
    context.brokers.append(broker)
    broker.start()
    expect_in("adding SASL authorization for authorizationID: kafka (", server.child.text())
    broker.kill()
    broker.java_options[0] = f"{JAAS}{jaas_file(context, Client=kerberos(client_keys, f'nobody@{kdc.REALM}'))}"
    expect_equal(broker.launch().wait(), 1, "the exit code")
    expect_in(f"no Kerberos login as nobody@{kdc.REALM}", broker.log.read_text())
    lost = context.new_coordinator("milena", start=False, settings=PROVIDER)
    lost.java_options.append(f"{JAAS}{jaas_file(context, Server=kerberos(client_keys, service))}")
    lost.environment = realm.environment
    expect(lost.launch().wait() != 0, "a coordinator without its key starts")
    expect_in(f"no key of {service} from the key table {client_keys}", lost.log.read_text())
