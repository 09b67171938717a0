"""Every command of kafka-consumer-groups: over a group without members, one of each protocol with a member, and ones that aren't there."""
import datetime
import pathlib
import re
import subprocess
import time

from harness import venv
from harness.context import expect_equal
from harness.process import wait_until

HERE = pathlib.Path(__file__).parent
RECORDS = 27  # in orders
RESET = "GROUP TOPIC PARTITION NEW-OFFSET"
ORDERS, BILLS = ["--topic", "orders"], ["--topic", "bills"]
IDLE, BUSY, FRESH, NONE = (["--group", name] for name in ("idle", "busy", "fresh", "none-such"))


def normal(done, texts):
    """What is said, without what differs from run to run; rows have no order."""
    lines = []
    for line in (done.out + "\n" + done.err).splitlines():
        line = " ".join(line.split())
        if line.startswith("Option "):  # the help that follows an error of usage
            break
        if not line or line.startswith(("at ", "[20", "...")):  # of a stack, or of the tool's own log
            continue
        for text, name in texts.items():
            line = line.replace(text, name)
        if valid := re.fullmatch(r"(.* Valid \w+ are: )(.*)", line):  # a set in any order
            line = valid[1] + ", ".join(sorted(valid[2].split(", ")))
        if line.startswith(RESET):  # whose rows 3.9 writes into one line
            lines.append(RESET)
            lines += re.findall(r"\S+ \S+ \S+ \S+", line.removeprefix(RESET))
        else:
            lines.append(re.sub(r"^\[Thread-\d+\]", "[Thread]", line))
    return sorted(lines)


class Session:
    """One tool on one broker. `lines` grows by each command with its exit code and what it says."""

    def __init__(self, context, at, server, newer):
        self.context, self.at, self.server, self.lines = context, at, server, []
        self.newer = newer  # than 3.9
        self.texts = {at.bootstrap: "HOST:PORT"}  # what differs from run to run -> how it is written down

    def run(self, *arguments):
        done = self.server.run("kafka-consumer-groups", "--bootstrap-server", self.at.bootstrap, *arguments, code=None)
        told = " ".join(map(str, arguments))
        for text, name in self.texts.items():
            told = told.replace(text, name)
        self.lines.append(f"$ {told} -> {done.code}")
        self.lines += normal(done, self.texts)
        return done.out

    def text(self, value, name):
        self.texts[str(value)] = name
        return value

    def member(self, group, protocol):
        program = [venv.python(self.context), HERE / "member.py", self.at.bootstrap, group, protocol, "orders", f"{group}-client", RECORDS]
        return self.context.spawn(program, stdin=subprocess.PIPE)


def send(session, topic, partition, count):
    values = "".join(f"{number}\n" for number in range(count))
    session.context.run(["kcat", "-b", session.at.bootstrap, "-P", "-t", topic, "-p", partition], stdin=values)


def list_groups(run):
    run("--list")
    for what in ([], ["stable"], ["Empty,Stable"], ["Empty"], ["bogus"]):
        run("--list", "--state", *what)
    for what in ([], ["classic"], ["Consumer"], ["bogus"]):
        run("--list", "--type", *what)
    run("--list", "--type", "classic", "--state", "stable")


def describe(run):
    for group in (IDLE, BUSY, FRESH, NONE):
        run("--describe", *group)
        for what in (["--offsets", "--verbose"], ["--members"], ["--members", "--verbose"], ["--state"], ["--state", "--verbose"]):
            run("--describe", *group, *what)
    run("--describe", *IDLE, *BUSY, "--state", "--timeout", "10000")
    for what in ("--offsets", "--members", "--state"):
        run("--describe", "--all-groups", what)
    run("--describe", *IDLE, "--members", "--offsets")
    run("--describe")


def reset_modes(session, middle):
    run = session.run
    reset = ["--reset-offsets", *IDLE]
    for mode in (["--to-earliest"], ["--to-latest"], ["--to-current"], ["--to-offset", "3"], ["--to-offset", "99"], ["--shift-by", "2"],
                 ["--shift-by", "-3"], ["--shift-by", "-99"], ["--shift-by", "99"], ["--by-duration", "PT1H"], ["--by-duration", "PT0S"],
                 ["--to-datetime", middle]):
        run(*reset, *ORDERS, *mode, "--dry-run")
    run(*reset, *ORDERS, "--to-earliest")  # says what it would do
    run(*reset, "--all-topics", "--to-latest", "--dry-run")
    run(*reset, "--topic", "orders:0,2", *BILLS, "--to-offset", "1", "--execute")
    run("--describe", *IDLE)
    run(*reset, "--topic", "orders:1", "--to-datetime", middle, "--execute")
    exported = run(*reset, "--all-topics", "--to-current", "--export", "--dry-run")
    several = run(*reset, "--group", "new", *BILLS, "--to-latest", "--export", "--dry-run")
    run(*reset, "--all-topics", "--to-earliest", "--execute")
    for name, text in (("exported", exported), ("several", several)):
        file = session.text(session.context.work / session.context.name(f"{name}.csv"), f"{name}.csv")
        file.write_text(text, encoding="utf-8")
        groups = [] if name == "exported" else ["--group", "new"]
        run(*reset, *groups, "--from-file", file, "--dry-run")
        run(*reset, *groups, "--from-file", file, "--execute")
    run("--describe", *IDLE)


def reset_refusals(session):
    run = session.run
    reset = ["--reset-offsets", *IDLE]
    for group in (BUSY, FRESH):
        run("--reset-offsets", *group, *ORDERS, "--to-earliest", "--execute")
        run("--reset-offsets", *group, *ORDERS, "--to-earliest", "--dry-run")
    run("--reset-offsets", *NONE, *ORDERS, "--to-latest", "--dry-run")
    run("--reset-offsets", *NONE, "--all-topics", "--to-latest", "--dry-run")
    run(*reset, "--topic", "none-such", "--to-latest", "--dry-run")
    if session.newer:  # the older one asks on and on until its time is over
        run(*reset, "--topic", "orders:9", "--to-latest", "--dry-run")
    run(*reset, *ORDERS, "--to-datetime", "yesterday", "--dry-run")
    run(*reset, *ORDERS, "--by-duration", "soon", "--dry-run")
    run(*reset, *ORDERS, "--dry-run")
    run(*reset, *ORDERS, "--to-latest", "--to-earliest", "--dry-run")
    run(*reset, "--to-latest", "--dry-run")
    run(*reset, *ORDERS, "--to-latest", "--dry-run", "--execute")


def delete_offsets(run):
    run("--delete-offsets", *IDLE, "--topic", "orders:0")
    run("--describe", *IDLE)
    run("--delete-offsets", *IDLE, *ORDERS, "--topic", "bills:7")
    run("--delete-offsets", *IDLE, "--topic", "none-such")
    run("--delete-offsets", *NONE, *ORDERS)
    for group in (BUSY, FRESH):
        run("--delete-offsets", *group, *ORDERS)
        run("--delete-offsets", *group, *BILLS)
    run("--delete-offsets", *IDLE)


def delete(run):
    for group in (BUSY, FRESH, NONE):
        run("--delete", *group)
    run("--delete", *IDLE, *NONE)
    run("--delete", "--group", "new", *BUSY)
    run("--delete")


def without_members(run):
    run("--describe", "--all-groups", "--state")
    run("--describe", "--all-groups")
    run("--describe", *FRESH, "--members")
    run("--reset-offsets", "--all-groups", "--all-topics", "--shift-by", "-1", "--dry-run")
    run("--reset-offsets", "--all-groups", *ORDERS, "--to-offset", "2", "--execute")
    run("--describe", *BUSY, *FRESH)
    run("--delete-offsets", *FRESH, "--topic", "orders:1,2")
    run("--delete", "--all-groups")
    run("--list")


def everything(session):
    """All commands, and what the members did before."""
    run = session.run
    session.server.run("kafka-topics", "--bootstrap-server", session.at.bootstrap, "--create", "--topic", "orders", "--partitions", "3")
    for partition in range(3):
        send(session, "orders", partition, 5)
    time.sleep(0.02)
    middle = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "")
    session.text(middle, "MIDDLE")
    time.sleep(0.02)
    for partition in range(3):
        send(session, "orders", partition, 3 + partition)
    send(session, "bills", 0, 4)
    members = [session.member("busy", "classic"), session.member("fresh", "consumer")]
    run("--reset-offsets", *IDLE, *ORDERS, *BILLS, "--to-offset", "4", "--execute")
    for member in members:
        found = wait_until("all records", lambda: re.search(f"all {RECORDS} committed by (\\S+)\n", member.text()))  # noqa: B023
        session.text(found[1], "MEMBER")
    list_groups(run)
    describe(run)
    reset_modes(session, middle)
    reset_refusals(session)
    delete_offsets(run)
    delete(run)
    for member in members:
        member.popen.stdin.close()
        expect_equal(member.wait(), 0, member.text()[-1000:])
    without_members(run)
    if session.newer:
        for expression in ("ord.*", "ord(", ""):
            run("--validate-regex", expression)
    return session.lines
