"""Groups that change between the classic protocol and the newer one while members of both are in them. `python3 mixed.py
bootstrap` prints what a broker does; mixed.txt is what Kafka 4.3.1 does."""
import os
import pathlib
import struct
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from mixed_members import Classic, Group, Newer, prepare  # noqa: E402
from mixed_wire import HEARTBEAT, PARTITIONS, TOPIC, subscription, wire  # noqa: E402


def newer_group(group):
    """A newer member has a group, a classic one comes: half is its share, once the newer one has given it up."""
    one, two = Newer(group, "N"), Classic(group, "C")
    one.join()
    group.records()
    group.pause()
    two.join()
    group.records()
    two.sync()
    two.beat()
    one.beat()
    one.beat()
    two.beat()
    group.records()
    two.join()
    two.sync()
    two.beat()
    group.records()
    group.described()
    return one, two


def upgrade(group):
    old = Classic(group, "C")
    old.join()
    old.sync({old.id: range(PARTITIONS)})
    old.beat()
    group.records()
    new = Newer(group, "N")
    new.beat(5)
    new.join()
    group.records()
    group.described()
    old.sync()
    old.beat()
    old.beat(old.generation + 1)
    old.beat(instance="somebody's")
    old.commit(0)
    old.join()
    group.records()
    old.sync()
    new.beat()
    old.beat()
    old.join(kept=sorted(old.has)[:PARTITIONS // 2])
    group.records()
    old.sync(generation=old.generation - 1)
    old.sync(protocol="roundrobin")
    old.sync()
    old.beat()
    new.beat()
    group.records()
    group.described()
    for by in (0, -1, 1):
        old.commit(min(old.has), old.generation + by)
    old.commit(min(new.has), old.generation - 1)
    old.commit_transactional(min(old.has))
    old.commit_transactional(min(old.has), old.generation + 1)
    new.commit(min(new.has))
    new.commit(min(new.has), version=8)
    new.commit(min(new.has), new.epoch + 1)
    new.commit_transactional(min(new.has), new.epoch + 1)
    new.commit_transactional(min(old.has), new.epoch - 1)
    asks = Classic(group, "N")
    asks.id, asks.generation = new.id, new.epoch
    asks.beat()
    asks.sync()
    asks.id = "unknown"
    asks.beat()
    asks.sync()
    asks.leave()
    old.leave()
    group.records()
    group.pause()
    new.beat()
    group.records()
    new.leave()
    group.records()


def downgrade(group):
    new, old = newer_group(group)
    new.leave()
    group.records()
    group.described()
    old.beat()
    old.join()
    old.sync({old.id: range(PARTITIONS)})
    group.records()
    group.described()
    old.leave()
    group.records()


def downgrade_by_leave_group(group):
    """An admin removes the newer member; with two classic ones left, of several protocols."""
    new, old, other = Newer(group, "N"), Classic(group, "C", protocols=("range", "roundrobin")), Classic(
        group, "D", protocols=("roundrobin", "range"), version=1)
    new.join()
    old.join()
    other.join()
    group.records()
    old.leave()
    group.records()
    group.pause()
    other.join()
    new.beat()
    new.beat()
    other.sync()
    group.records()
    other.leave((new.id, None), ("unknown", None))
    group.records()


def downgrade_by_timeout(group):
    new, old = newer_group(group)
    for _ in range(18):
        old.connection.ask(HEARTBEAT, 4, wire.compact(group.id) + struct.pack(">i", old.generation) + wire.compact(old.id) + b"\0\0")
        time.sleep(0.25)
    old.beat()
    group.records()
    old.join()
    old.sync({old.id: range(PARTITIONS)})
    group.described()


def members_that_stay_away(group):
    """A classic member that is told to rejoin and doesn't, one that joins and never syncs, one that falls silent."""
    new = Newer(group, "N")
    new.join()
    late = Classic(group, "late", rebalance_ms=1000)
    group.pause()
    late.join()
    new.beat()
    group.pause(1.5)
    new.beat()
    late.sync()
    group.records()
    late = Classic(group, "later", rebalance_ms=1500)
    late.join()
    late.sync()
    group.pause()
    new.beat()
    late.beat()
    group.pause(1)
    late.beat()
    group.pause(1)
    late.beat()
    group.records()
    silent = Classic(group, "silent", session_ms=2000, rebalance_ms=60_000)
    silent.join()
    silent.sync()
    for _ in range(6):
        new.ask(new.epoch, False)
        time.sleep(0.5)
    silent.beat()
    group.records()


def static_members(group):
    """A static member changes its protocol: beside another, and alone."""
    old, other = Classic(group, "C", instance="i"), Newer(group, "N")
    old.join()
    old.sync({old.id: range(PARTITIONS)})
    group.records()
    other.join()
    group.records()
    new = Newer(group, "I", instance="i")
    group.pause()
    new.join()
    group.records()
    old.beat()
    old.join()
    old.sync()
    old.commit(0)
    other.leave()
    group.records()
    group.pause()
    new.beat()
    group.records()
    back = Classic(group, "J", instance="i")
    back.join()
    group.records()
    back.sync()
    back.beat()
    group.described()
    new.beat()
    again = Newer(group, "K", instance="i")
    again.join()
    group.records()
    again.leave(-2)
    group.records()
    Classic(group, "L", instance="other").join()
    group.records()
    once_more = Classic(group, "M", instance="i")
    group.pause()
    once_more.join()
    group.records()
    group.described()
    once_more.sync()
    once_more.beat()


def static_member_with_its_id(group):
    """A static member of the newer protocol that joins as a classic one under the same id, while the target is behind."""
    new = Newer(group, "I", instance="i")
    new.join()
    late = Classic(group, "C")
    late.join()
    group.records()
    same = Classic(group, "I", instance="i", topics=(TOPIC, "unknown"))
    same.id = new.id
    same.join()
    group.records()
    group.described()
    same.sync()
    same.beat()


def refused(group):
    def stable(group_id, user_data=None, **options):
        made = Group(group.bootstrap, f"{group.id}-{group_id}", group.topic_id, group.out)
        member = Classic(made, "C", **options)
        member.join()
        member.sync({member.id: range(PARTITIONS)}, user_data=user_data, kind=member.kind)
        newer = Newer(made, "N")
        newer.join()
        member.beat()
        made.records()
        return made, member, newer
    stable("kind", kind="connect")
    stable("user-data", user_data=b"mine")
    stable("malformed", raw=b"\0\1\0\0")
    stable("no-version", raw=b"\xff\xff\0\0\0\0\xff\xff\xff\xff")
    stable("newer-version", version=3, raw=b"\0\x09" + subscription((TOPIC,))[2:])
    made, member, newer = stable("mixed")
    other = Classic(made, "other", protocols=("sticky",))
    other.join()
    other = Classic(made, "other", kind="connect")
    other.join()
    other = Classic(made, "other", raw=b"\0\1\0\0")
    other.join()
    other = Classic(made, "other", instance="unknown")
    other.id = "some-id"
    other.join()
    made.records()


def amid_a_rebalance(group):
    """A newer member comes while classic ones join: they join again, among newer ones."""
    one, two = Classic(group, "C"), Classic(group, "D")
    one.join()
    one.sync({one.id: range(PARTITIONS)})
    two.start_join()
    two.end_join()
    two.start_join()
    time.sleep(0.3)
    one.beat()
    group.records()
    new = Newer(group, "N")
    new.join()
    two.end_join()
    group.records()
    one.beat()
    two.join()
    one.join()
    group.records()


def empty_groups(group):
    """Of either kind; they change simply when the other kind comes."""
    old = Classic(group, "C")
    old.join()
    old.sync({old.id: range(PARTITIONS)})
    old.leave()
    group.records()
    new = Newer(group, "N")
    new.join()
    group.records()
    new.leave()
    group.records()
    old = Classic(group, "D")
    old.join()
    group.records()
    old.sync({old.id: range(PARTITIONS)})
    group.records()


SCENARIOS = [upgrade, downgrade, downgrade_by_leave_group, downgrade_by_timeout, members_that_stay_away, static_members,
             static_member_with_its_id, refused, amid_a_rebalance, empty_groups]


def run(bootstrap, scenario, topic_id):
    """Its lines."""
    out = []
    group = Group(bootstrap, f"mixed-{scenario.__name__}-{os.urandom(3).hex()}", topic_id, out)
    scenario(group)
    return out


if __name__ == "__main__":
    made = prepare(sys.argv[1])
    for each in SCENARIOS:
        if len(sys.argv) > 2 and each.__name__ not in sys.argv[2:]:
            continue
        print(f"[{each.__name__}]")
        print("\n".join(run(sys.argv[1], each, made)))
        print(flush=True)
