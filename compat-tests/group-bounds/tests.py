"""Many groups, members, offsets and transactional ids; and members that mean harm: they get Kafka's errors, and cost nobody else anything.

With --target kafka the tests of KIP-848 run on Kafka 4.3.1."""
import importlib.util
import pathlib
import resource
import struct

from harness import wire
from harness.context import expect, expect_equal
from harness.kraft import Kraft
from harness.process import rss_bytes, wait_until
from harness.runner import sanitizer_workload
from harness.wire import Wire

_spec = importlib.util.spec_from_file_location("group_bounds_raw", pathlib.Path(__file__).with_name("raw.py"))
raw = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(raw)

MIB = 1 << 20
TOPIC, PARTITIONS = "bounds", 10
GROUPS, MEMBERS, IDS = 10_000, 2_000, 10_000
SETTINGS = {"num.partitions": PARTITIONS, "group.max.session.timeout.ms": 1_800_000}


def allow_connections():
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)


def new_broker(context, settings=None):
    allow_connections()
    broker = context.new_broker({**SETTINGS, **(settings or {})})
    with Wire(broker) as connection:
        raw.coordinator_ready(connection, "any")
        wait_until("all groups", lambda: raw.list_groups(connection)[0] == "NONE")
    context.run(["kcat", "-b", broker.bootstrap, "-P", "-t", TOPIC, "-p", "0"], stdin="first\n")
    return broker


class Growth:
    """Of a broker's memory, since it was made."""

    def __init__(self, broker):
        self.pid, self.before = broker.child.pid, rss_bytes(broker.child.pid)

    def bytes(self):
        return rss_bytes(self.pid) - self.before

    def limit(self, context, most, what):
        """How much it is. A JVM takes what its heap has, and a sanitizer's allocator keeps what is freed."""
        grown = self.bytes()
        expect(context.target == "kafka" or context.sanitized or grown < most, f"{what}: {grown} bytes more, and not less than {most}")
        return f"{grown / MIB:.1f} MiB more"


def names(answers, read):
    found = {}
    for answer in answers:
        error = read(answer)
        error = error[0] if isinstance(error, (list, tuple)) else error
        found[error] = found.get(error, 0) + 1
    return found


def many_groups(fleet, count):
    """Groups of one member each, with an offset for each partition of the topic; member ids by group."""
    groups = [f"group-{number:05}" for number in range(count)]
    told = [raw.read_join(answer) for answer in fleet.ask([raw.join_request(group) for group in groups])]
    expect_equal({one[0] for one in told}, {"MEMBER_ID_REQUIRED"}, "first joins")
    joined = [raw.read_join(answer) for answer in fleet.ask([raw.join_request(group, one[3]) for group, one in zip(groups, told)])]
    expect_equal({one[:2] for one in joined}, {("NONE", 1)}, "joins")
    members = {group: one[3] for group, one in zip(groups, joined)}
    expect_equal(names(fleet.ask([raw.sync_request(group, 1, one, [(one, b"mine")]) for group, one in members.items()]), raw.error_of),
                 {"NONE": count}, "syncs")
    commits = fleet.ask([raw.commit_request(group, 1, one, TOPIC, [(partition, number + partition) for partition in range(PARTITIONS)])
                         for number, (group, one) in enumerate(members.items())])
    expect(all(raw.read_commit(answer) == ["NONE"] * PARTITIONS for answer in commits), "commits")
    return members


def check_groups(broker, members, ids):
    """All of them are there, with their offsets; and the transactional ids."""
    with Wire(broker) as connection:
        raw.coordinator_ready(connection, "any")
        raw.coordinator_ready(connection, "any", 1)
        wait_until("the groups", lambda: raw.list_groups(connection)[0] == "NONE")
        expect_equal({group for group, _ in raw.list_groups(connection)[1]} - {"witness"}, set(members), "groups")
        for number in range(0, len(members), 997):
            group = f"group-{number:05}"
            expect_equal(raw.read_offsets(connection.ask(raw.fetch_offsets_request(group))),
                         {(TOPIC, partition): number + partition for partition in range(PARTITIONS)}, group)
        wait_until("the transactional ids", lambda: raw.count_transactional_ids(connection) == ("NONE", ids))


@sanitizer_workload
def test_many_groups_offsets_and_transactional_ids(context):
    """And all of them again after a restart."""
    broker = new_broker(context)
    groups, ids = int(GROUPS * context.scale), int(IDS * context.scale)
    notes = []
    with raw.Fleet(broker, 100) as fleet, raw.Witness(broker, TOPIC) as witness:
        raw.coordinator_ready(fleet.connections[0], "any", 1)
        growth = Growth(broker)
        members = many_groups(fleet, groups)
        notes.append(f"{groups} groups with {groups * PARTITIONS} offsets: {growth.limit(context, 200 * MIB * context.scale + 20 * MIB, 'groups')}")
        growth = Growth(broker)
        init = lambda answer: raw.name_of(raw.Reader(answer).take("ih")[1])
        raw.settled(fleet.connections[0], raw.init_request("id-00000"), init)
        counts = names(fleet.ask([raw.init_request(f"id-{number:05}") for number in range(ids)]), init)
        expect_equal(counts, {"NONE": ids}, "transactional ids")
        notes.append(f"{ids} transactional ids: {growth.limit(context, 60 * MIB * context.scale + 20 * MIB, 'ids')}")
        check_groups(broker, members, ids)
    notes.append(witness.report())
    broker.stop()
    broker.start()
    check_groups(broker, members, ids)
    broker.stop()
    return "; ".join(notes)


@sanitizer_workload
def test_many_members_of_one_group(context):
    """They join, sync, beat, commit, and half of them leave; so does a second generation."""
    count = int(MEMBERS * context.scale)
    broker = new_broker(context, {"group.initial.rebalance.delay.ms": 3000})
    with raw.Witness(broker, TOPIC) as witness, raw.Fleet(broker, count) as fleet:
        growth = Growth(broker)
        group = "large"
        told = [raw.read_join(answer) for answer in fleet.ask([raw.join_request(group, session_ms=300_000)] * count)]
        expect_equal({one[0] for one in told}, {"MEMBER_ID_REQUIRED"}, "first joins")
        ids = [one[3] for one in told]
        for generation in (1, 2):
            metadata = raw.SUBSCRIPTION + b"\0" * generation
            requests = [raw.join_request(group, one, session_ms=300_000, metadata=metadata) for one in ids]
            joined = [raw.read_join(answer) for answer in fleet.ask(requests)]
            expect_equal({one[:3] for one in joined}, {("NONE", generation, joined[0][2])}, "joins")
            leader = next(one for one in joined if one[2] == one[3])
            expect_equal(sorted(leader[4]), sorted(ids), "what the leader knows")
            expect_equal(sum(len(one[4]) for one in joined), count, "and nobody else")
            mine = lambda one: f"assignment of {one}".encode()
            requests = [raw.sync_request(group, generation, one, [(each, mine(each)) for each in ids] if one == leader[3] else ()) for one in ids]
            for one, answer in zip(ids, fleet.ask(requests)):
                expect_equal((raw.error_of(answer), raw.Reader(answer[10:]).bytes(len(mine(one)))), ("NONE", mine(one)), "sync")
            expect_equal(names(fleet.ask([raw.heartbeat_request(group, generation, one) for one in ids]), raw.error_of), {"NONE": count}, "beats")
            expect_equal(names(fleet.ask([raw.commit_request(group, generation, one, TOPIC, [(0, 1)]) for one in ids]), raw.read_commit),
                         {"NONE": count}, "commits")
        note = growth.limit(context, 20_000 * count + 40 * MIB, "members")
        half = ids[::2]
        expect_equal(names(fleet.ask([raw.leave_request(group, one) for one in half]), raw.error_of), {"NONE": len(half)}, "leaves")
        expect_equal(names(fleet.ask([raw.heartbeat_request(group, 2, one) for one in ids]), raw.error_of),
                     {"UNKNOWN_MEMBER_ID": len(half), "REBALANCE_IN_PROGRESS": count - len(half)}, "beats afterwards")
    note = f"{count} members: {note}; {witness.report()}"
    broker.stop()
    return note


def wrong_of(cases):
    return [case for case in cases if case[1] != case[2]]


def refusals(connection):
    """What one answers at once: (what, error)."""
    join = lambda *more, **options: raw.read_join(connection.ask(raw.join_request(*more, **options)))[0]
    ask = lambda request: raw.error_of(connection.ask(request))
    generation, member = raw.member_of(connection, "victim")
    other_generation, other = raw.member_of(connection, "bystander")
    fixed_generation, fixed = raw.member_of(connection, "fixed", instance="i")
    commit = lambda group, generation_of, one, offsets: raw.read_commit(connection.ask(raw.commit_request(group, generation_of, one, TOPIC, offsets)))
    return [
        ("join without a group", join(""), "INVALID_GROUP_ID"),
        ("join with a member id that nobody was given", join("victim", "made-up"), "UNKNOWN_MEMBER_ID"),
        ("join of a group that isn't there", join("none-such", "made-up"), "UNKNOWN_MEMBER_ID"),
        ("join as another group's member", join("victim", other), "UNKNOWN_MEMBER_ID"),
        ("join as a static member with another id", join("fixed", member, instance="i"), "FENCED_INSTANCE_ID"),
        ("session too short", join("victim", session_ms=1), "INVALID_SESSION_TIMEOUT"),
        ("session too long", join("victim", session_ms=1_800_001), "INVALID_SESSION_TIMEOUT"),
        ("join of another type", join("victim", kind="connect"), "INCONSISTENT_GROUP_PROTOCOL"),
        ("join with another protocol", join("victim", protocols=["none-such"]), "INCONSISTENT_GROUP_PROTOCOL"),
        ("join of a new group without a protocol", join("new", protocols=[]), "INCONSISTENT_GROUP_PROTOCOL"),
        ("sync as another group's member", ask(raw.sync_request("victim", generation, other)), "UNKNOWN_MEMBER_ID"),
        ("sync of another generation", ask(raw.sync_request("victim", generation + 1, member)), "ILLEGAL_GENERATION"),
        ("beat as another group's member", ask(raw.heartbeat_request("victim", other_generation, other)), "UNKNOWN_MEMBER_ID"),
        ("beat of another generation", ask(raw.heartbeat_request("victim", generation + 1, member)), "ILLEGAL_GENERATION"),
        ("beat as a static member with another id", ask(raw.heartbeat_request("fixed", fixed_generation, member, "i")), "FENCED_INSTANCE_ID"),
        ("leave as another group's member", ask(raw.leave_request("victim", other)), "UNKNOWN_MEMBER_ID"),
        ("commit as another group's member", commit("victim", other_generation, other, [(0, 1)]), ["UNKNOWN_MEMBER_ID"]),
        ("commit of another generation", commit("victim", generation + 1, member, [(0, 1)]), ["ILLEGAL_GENERATION"]),
        ("commit past a group that has members", commit("victim", -1, "", [(0, 1)]), ["UNKNOWN_MEMBER_ID"]),
        ("commit with metadata as large as allowed, and larger",
         commit("victim", generation, member, [(0, 7, "m" * 4096), (1, 8, "m" * 4097), (2, 9)]), ["NONE", "OFFSET_METADATA_TOO_LARGE", "NONE"]),
        ("the victim all the same", ask(raw.heartbeat_request("victim", generation, member)), "NONE"),
        ("the static member all the same", ask(raw.heartbeat_request("fixed", fixed_generation, fixed, "i")), "NONE"),
        ("what the victim has committed", raw.read_offsets(connection.ask(raw.fetch_offsets_request("victim"))), {(TOPIC, 0): 7, (TOPIC, 2): 9}),
    ]


@sanitizer_workload
def test_refusals(context):
    """What isn't a member's to say gets Kafka's error, and changes nothing."""
    broker = new_broker(context)
    with Wire(broker) as connection:
        cases = refusals(connection)
        expect_equal(wrong_of(cases), [], "(what, answer, Kafka's)")
    broker.stop()
    return f"{len(cases)} answers"


def test_group_names(context):
    """As long as the wire allows, and longer."""
    broker = new_broker(context)
    longest = "n" * 32767
    with raw.Witness(broker, TOPIC) as witness, Wire(broker) as connection:
        growth = Growth(broker)
        for number in range(200):
            name = f"{number:03}" + longest[3:]
            generation, member = raw.member_of(connection, name)
            expect_equal(raw.read_commit(connection.ask(raw.commit_request(name, generation, member, TOPIC, [(0, number)]))), ["NONE"], "commit")
        note = growth.limit(context, 40 * MIB, "200 names of 32,767 bytes")
        expect_equal(raw.read_offsets(connection.ask(raw.fetch_offsets_request("199" + longest[3:]))), {(TOPIC, 0): 199})
        with Wire(broker) as other:  # a compact string can say more than there may be
            other.send(wire.frame(wire.header(raw.HEARTBEAT, 4, 2) + wire.compact("n" * 32_768) + b"\0\0\0\1" + wire.compact("m") + b"\0\0"))
            expect(other.closed(), "a name of 32,768 bytes closes the connection")
    broker.stop()
    return f"200 names of 32,767 bytes: {note}; {witness.report()}"


@sanitizer_workload
def test_largest_group(context):
    """group.max.size: whoever comes later is told so, again and again."""
    broker = new_broker(context, {"group.max.size": 5, "group.initial.rebalance.delay.ms": 1000})
    with raw.Witness(broker, TOPIC) as witness, raw.Fleet(broker, 5) as fleet, Wire(broker) as late:
        told = [raw.read_join(answer)[3] for answer in fleet.ask([raw.join_request("full")] * 5)]
        joined = [raw.read_join(answer) for answer in fleet.ask([raw.join_request("full", one) for one in told])]
        expect_equal({one[:2] for one in joined}, {("NONE", 1)}, "five members")
        leader = joined[0][2]
        syncs = [raw.sync_request("full", 1, one, [(each, b"mine") for each in told] if one == leader else ()) for one in told]
        expect_equal(names(fleet.ask(syncs), raw.error_of), {"NONE": 5}, "sync")
        growth = Growth(broker)
        count = int(5_000 * context.scale)
        errors = names((late.ask(raw.join_request("full")) for _ in range(count)), raw.read_join)
        expect_equal(errors, {"GROUP_MAX_SIZE_REACHED": count}, "a sixth")
        note = growth.limit(context, 10 * MIB, "refused joins")
        expect_equal(names(fleet.ask([raw.heartbeat_request("full", 1, one) for one in told]), raw.error_of), {"NONE": 5}, "beats")
    broker.stop()
    return f"{count} refused: {note}; {witness.report()}"


@sanitizer_workload
def test_endless_joins(context):
    """Newcomers that are told an id and never come with it, and such that join on connections which they close."""
    broker = new_broker(context)
    count = int(20_000 * context.scale)
    with raw.Witness(broker, TOPIC) as witness:
        growth = Growth(broker)
        with raw.Fleet(broker, 50) as fleet:
            errors = names(fleet.ask([raw.join_request("endless", session_ms=1_800_000)] * count), raw.read_join)
            expect_equal(errors, {"MEMBER_ID_REQUIRED": count}, "newcomers")
        notes = [f"{count} newcomers: {growth.limit(context, 1000 * count + 20 * MIB, 'newcomers')}"]
        growth = Growth(broker)
        gone = int(2_000 * context.scale)
        for _ in range(gone):
            with Wire(broker) as connection:
                connection.send(wire.frame(raw.join_request("gone", version=3)))
        notes.append(f"{gone} that left at once: {growth.limit(context, 5000 * gone + 20 * MIB, 'gone')}")
        with Wire(broker) as connection:  # the groups aren't lost for others
            expect_equal(raw.error_of(connection.ask(raw.leave_request("endless", "made-up"))), "UNKNOWN_MEMBER_ID")
    notes.append(witness.report())
    broker.stop()
    return "; ".join(notes)


def test_metadata_that_no_record_holds(context):
    """A member's metadata of 2 MiB joins, but the group can't be written; when the member is gone, so is its memory."""
    broker = new_broker(context)
    large = raw.SUBSCRIPTION + b"\0" * (2 * MIB)
    with raw.Witness(broker, TOPIC) as witness, Wire(broker) as connection:
        growth = Growth(broker)
        for _ in range(20):
            told = raw.read_join(connection.ask(raw.join_request("heavy", metadata=large)))
            expect_equal(told[0], "MEMBER_ID_REQUIRED", "told")
            joined = raw.read_join(connection.ask(raw.join_request("heavy", told[3], metadata=large)))
            expect_equal(joined[0], "NONE", "joined")
            error = raw.error_of(connection.ask(raw.sync_request("heavy", joined[1], told[3], [(told[3], b"mine")])))
            expect_equal(error, "UNKNOWN_SERVER_ERROR", "sync")
            expect_equal(raw.error_of(connection.ask(raw.leave_request("heavy", told[3]))), "NONE", "left")
        note = growth.limit(context, 30 * MIB, "members with 2 MiB of metadata")
    broker.stop()
    return f"20 members: {note}; {witness.report()}"


def new_protocol_broker(context, settings=None):
    allow_connections()
    settings = {**SETTINGS, "group.consumer.min.session.timeout.ms": 1000, **(settings or {})}
    if context.target == "kafka":
        broker = Kraft(context.work / context.name("kraft"), settings).start()
        context.brokers.append(broker)
    else:
        broker = context.new_broker(settings)
    with Wire(broker) as connection:
        raw.coordinator_ready(connection, "any")
    context.run(["kcat", "-b", broker.bootstrap, "-P", "-t", TOPIC, "-p", "0"], stdin="first\n")
    return broker


class NewMember:
    """Of a group of KIP-848; it gives up at once what it must."""

    def __init__(self, group, name):
        self.group, self.name, self.epoch, self.owned = group, name, 0, {}

    def request(self):
        if self.epoch == 0:
            return raw.consumer_heartbeat_request(self.group, self.name, 0, [TOPIC])
        return raw.consumer_heartbeat_request(self.group, self.name, self.epoch, owned=self.owned)

    def told(self, answer):
        """Whether that was anything new."""
        error, epoch, assigned = raw.read_consumer_assignment(answer)
        expect_equal(error, "NONE", self.name)
        before = self.epoch, self.owned
        self.epoch, self.owned = epoch, self.owned if assigned is None else assigned
        return before != (self.epoch, self.owned)


def beat_until_stable(fleet, members, epoch):
    """Rounds of heartbeats, until nobody is told anything new and all are of that epoch."""
    rounds = 0

    def settled():
        nonlocal rounds
        rounds += 1
        news = [one.told(answer) for one, answer in zip(members, fleet.ask([one.request() for one in members]))]
        return not any(news) and {one.epoch for one in members} == {epoch}
    wait_until(f"all members have the epoch {epoch}", settled)
    return rounds


@sanitizer_workload
def test_consumer_protocol_members(context):
    """Groups of KIP-848: 2,000 members in one; each is told the epoch, and all partitions have one owner."""
    broker = new_protocol_broker(context)
    count = int(MEMBERS * context.scale)
    with raw.Witness(broker, TOPIC) as witness, raw.Fleet(broker, 50) as fleet:
        growth = Growth(broker)
        members = [NewMember("many", f"member-{number:05}") for number in range(count)]
        rounds = beat_until_stable(fleet, members, 1 + count)  # one more for each that joined
        owners = sorted(partition for one in members for partitions in one.owned.values() for partition in partitions)
        expect_equal(owners, list(range(PARTITIONS)), "each partition has one owner")
        expect_equal(max(sum(map(len, one.owned.values())) for one in members), -(-PARTITIONS // count), "and nobody more than others")
        note = growth.limit(context, 20_000 * count + 40 * MIB, "members")
        half, rest = members[::2], members[1::2]
        left = names(fleet.ask([raw.consumer_heartbeat_request("many", one.name, -1) for one in half]), raw.read_consumer_heartbeat)
        expect_equal(left, {"NONE": len(half)}, "leaves")
        rounds += beat_until_stable(fleet, rest, 1 + count + len(half))  # or that left
        owners = sorted(partition for one in rest for partitions in one.owned.values() for partition in partitions)
        expect_equal(owners, list(range(PARTITIONS)), "each partition has one owner among those that stay")
        left = names(fleet.ask([raw.consumer_heartbeat_request("many", one.name, -1) for one in rest]), raw.read_consumer_heartbeat)
        expect_equal(left, {"NONE": len(rest)}, "leaves")
    broker.stop()
    return f"{count} members: {note}; {rounds} rounds; {witness.report()}"


@sanitizer_workload
def test_consumer_protocol_refusals(context):
    broker = new_protocol_broker(context, {"group.consumer.max.size": 5})
    with raw.Witness(broker, TOPIC) as witness, Wire(broker) as connection:
        beat = lambda *more, **options: raw.read_consumer_heartbeat(connection.ask(raw.consumer_heartbeat_request(*more, **options)))[0]
        expect_equal([beat("full", f"m{number}", 0, [TOPIC]) for number in range(6)], ["NONE"] * 5 + ["GROUP_MAX_SIZE_REACHED"], "a sixth")
        expect_equal(beat("other", "m0", 0, [TOPIC]), "NONE", "the same id elsewhere is another member")
        cases = [("an unknown member", beat("other", "made-up", 3), "UNKNOWN_MEMBER_ID"),
                 ("an epoch that is yet to come", beat("full", "m0", 1000), "FENCED_MEMBER_EPOCH"),
                 ("an assignor that isn't there", beat("other", "m9", 0, [TOPIC], assignor="none-such"), "UNSUPPORTED_ASSIGNOR"),
                 ("no expression", beat("other", "m9", 0, regex="(("), "INVALID_REGULAR_EXPRESSION"),
                 ("no group", beat("", "m9", 0, [TOPIC]), "INVALID_REQUEST"),
                 ("no member", beat("other", "", 3), "INVALID_REQUEST"),
                 ("an epoch below all", beat("other", "m0", -3), "INVALID_REQUEST")]
        if context.target == "milena":  # Kafka compiles it, and says UNKNOWN_SERVER_ERROR when its stack is used up
            regex = "((a{1,1000}){1,1000}){1,1000}"
            cases.append(("an expression that costs much memory", beat("other", "m9", 0, regex=regex), "INVALID_REGULAR_EXPRESSION"))
        expect_equal(wrong_of(cases), [], "(what, answer, Kafka's)")
        growth = Growth(broker)
        count = int(5_000 * context.scale)
        errors = {}
        for number in range(count):
            error = beat("full", f"late-{number}", 0, [TOPIC])
            errors[error] = errors.get(error, 0) + 1
        expect_equal(errors, {"GROUP_MAX_SIZE_REACHED": count}, "newcomers")
        note = growth.limit(context, 10 * MIB, "refused joins")
    broker.stop()
    return f"{len(cases)} answers; {count} refused: {note}; {witness.report()}"


def instance_cases(beat):
    """Of somebody who takes another member's name, or its instance."""
    return [("a static member joins", beat("fixed", "m1", 0, [TOPIC], instance="i"), "NONE"),
            ("its instance while it is there", beat("fixed", "m2", 0, [TOPIC], instance="i"), "UNRELEASED_INSTANCE_ID"),
            ("its instance with another id", beat("fixed", "m2", 2, instance="i"), "FENCED_INSTANCE_ID"),
            ("its id with another instance", beat("fixed", "m1", 2, instance="j"), "UNKNOWN_MEMBER_ID"),
            ("leaves as its instance with another id", beat("fixed", "m2", -1, instance="i"), "FENCED_INSTANCE_ID"),
            ("leaves for now as its instance with another id", beat("fixed", "m2", -2, instance="i"), "FENCED_INSTANCE_ID"),
            ("it is there all the same", beat("fixed", "m1", 2, instance="i"), "NONE"),
            ("it joins under another instance", beat("fixed", "m1", 0, [TOPIC], instance="j"), "NONE"),
            ("and beats so", beat("fixed", "m1", 2, instance="j"), "NONE"),
            ("and leaves so", beat("fixed", "m1", -1, instance="j"), "NONE")]


def large_cases(beat):
    """What members say at length."""
    name = lambda number: struct.pack(">HH", number >> 16, number & 0xFFFF) + b"t" * 12
    return [("joins", beat("owner", "m", 0, [TOPIC]), "NONE"),
            ("more names than a record holds", beat("long", "names", 0, [f"{number:04}" + "n" * 1900 for number in range(1000)]), "UNKNOWN_SERVER_ERROR"),
            ("20,000 names", beat("long", "many", 0, [f"name-{number}" for number in range(20_000)]), "NONE"),
            ("one name, 20,000 times", beat("long", "twice", 0, [TOPIC] * 20_000), "NONE"),
            ("an expression of 32,000 letters", beat("long", "regex", 0, regex="a" * 32_000), "NONE"),
            ("owns a million partitions", beat("owner", "m", 2, owned={name(0): range(1_000_000)}), "NONE"),
            ("owns 20,000 topics that aren't there", beat("owner", "m", 2, owned={name(number): [0] for number in range(20_000)}), "NONE"),
            ("owns partitions below 0", beat("owner", "m", 2, owned={name(0): [-1, -(2 ** 31), 2 ** 31 - 1]}), "NONE"),
            ("owns one a thousand times", beat("owner", "m", 2, owned={name(0): [1] * 1000}), "NONE")]


@sanitizer_workload
def test_consumer_protocol_members_that_mean_harm(context):
    """They take others' names, say too much, and make groups and expressions without end."""
    broker = new_protocol_broker(context)
    with raw.Witness(broker, TOPIC) as witness, Wire(broker) as connection:
        beat = lambda *more, **options: raw.read_consumer_heartbeat(connection.ask(raw.consumer_heartbeat_request(*more, **options)))[0]
        growth = Growth(broker)
        cases = instance_cases(beat) + large_cases(beat)
        if context.target == "milena":  # Kafka knows the first instance for ever, and says UNKNOWN_MEMBER_ID
            cases.append(("its first instance is free again", beat("fixed", "m2", 0, [TOPIC], instance="i"), "NONE"))
        expect_equal(wrong_of(cases), [], "(what, answer, Kafka's)")
        for name in ("many", "twice", "regex"):
            expect_equal(beat("long", name, -1), "NONE", f"{name} leaves")
        notes = [f"{len(cases)} answers: {growth.limit(context, 100 * MIB, 'long requests')}"]
        growth, count = Growth(broker), int(5_000 * context.scale)
        errors = names((connection.ask(raw.consumer_heartbeat_request(f"refused-{number}", "m", 0, regex="((")) for number in range(count)),
                       raw.read_consumer_heartbeat)
        expect_equal(errors, {"INVALID_REGULAR_EXPRESSION": count}, "groups that nobody is let into")
        expect_equal([one for one, _ in raw.list_groups(connection)[1] if one.startswith("refused")], [], "such groups")
        notes.append(f"{count} groups refused: {growth.limit(context, 10 * MIB, 'refused groups')}")
        growth, count = Growth(broker), int(500 * context.scale)
        with raw.Fleet(broker, 50) as fleet:
            requests = [raw.consumer_heartbeat_request("expressions", f"m{number}", 0, regex=f"x{number}.*|{TOPIC}") for number in range(count)]
            expect_equal(names(fleet.ask(requests), raw.read_consumer_heartbeat), {"NONE": count}, "expressions")
            notes.append(f"{count} expressions: {growth.limit(context, 40 * MIB, 'expressions')}")
            leaves = [raw.consumer_heartbeat_request("expressions", f"m{number}", -1) for number in range(count)]
            expect_equal(names(fleet.ask(leaves), raw.read_consumer_heartbeat), {"NONE": count}, "leaves")
    notes.append(witness.report())
    broker.stop()
    return "; ".join(notes)
