"""kcat: real text files through topics with every codec, byte for byte."""
import pathlib

from harness.context import expect, expect_equal, expect_in
from harness.runner import sanitizer_workload

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
BYTES_MAX = 20_000_000


def text_lines(limit):
    """Lines of the text files under /usr/share/doc; empty lines are left out, since kcat -P sends none for them."""
    taken = []
    size = 0
    for path in sorted(pathlib.Path("/usr/share/doc").rglob("*")):
        if path.is_symlink() or not path.is_file() or path.stat().st_size > 2_000_000:
            continue
        content = path.read_bytes()
        if b"\0" in content:
            continue
        for line in content.split(b"\n"):
            if line:
                taken.append(line)
                size += len(line) + 1
        if size >= limit:
            break
    return taken


@sanitizer_workload
def test_files_with_every_codec(context):
    broker = context.broker()
    lines = text_lines(int(BYTES_MAX * context.scale / len(CODECS)))
    data = b"".join(line + b"\n" for line in lines)
    expect(len(lines) > 1000, f"only {len(lines)} lines of text on this machine")
    for codec in CODECS:
        topic = f"files-{codec}"
        context.run(["kcat", "-b", broker.bootstrap, "-P", "-t", topic, "-p", "0", "-z", codec, "-X",
                     "queue.buffering.max.messages=1000000"], stdin=data)
        back = context.run(["kcat", "-b", broker.bootstrap, "-C", "-t", topic, "-p", "0", "-o", "beginning", "-e",
                            "-q"]).out_bytes
        expect(back == data, f"{codec}: {len(back)} bytes came back, {len(data)} were sent")
    return f"{len(lines)} lines, {len(data)} bytes, {len(CODECS)} codecs"


@sanitizer_workload
def test_keys_headers_and_offsets(context):
    broker = context.broker()
    context.run(["kcat", "-b", broker.bootstrap, "-P", "-t", "keyed", "-p", "0", "-K", ":", "-H", "who=me", "-H",
                 "empty="], stdin="a:1\nb:2\nc:3\n")
    out = context.run(["kcat", "-b", broker.bootstrap, "-C", "-t", "keyed", "-p", "0", "-o", "1", "-e", "-q", "-f",
                       "%p %o %k %s %h\\n"]).out
    expect_equal(out, "0 1 b 2 who=me,empty=\n0 2 c 3 who=me,empty=\n", "from offset 1")
    tail = context.run(["kcat", "-b", broker.bootstrap, "-C", "-t", "keyed", "-p", "0", "-o", "-1", "-e", "-q"]).out
    expect_equal(tail, "3\n", "the last one")


def test_metadata(context):
    broker = context.broker()
    context.run(["kcat", "-b", broker.bootstrap, "-P", "-t", "listed"], stdin="x\n")
    out = context.run(["kcat", "-b", broker.bootstrap, "-L"]).out
    expect_in(f"broker 0 at {broker.bootstrap} (controller)", out)
    expect_in('topic "listed" with 1 partitions', out)
    expect_in("partition 0, leader 0, replicas: 0, isrs: 0", out)


def test_query_offsets_by_time(context):
    broker = context.broker()
    context.run(["kcat", "-b", broker.bootstrap, "-P", "-t", "timed"], stdin="x\ny\n")
    out = context.run(["kcat", "-b", broker.bootstrap, "-Q", "-t", "timed:0:1"]).out
    expect_in("timed [0] offset 0", out)
    out = context.run(["kcat", "-b", broker.bootstrap, "-Q", "-t", "timed:0:-1"]).out
    expect_in("timed [0] offset 2", out)


@sanitizer_workload
def test_group_takes_up_where_it_left(context):
    broker = context.broker()
    context.run(["kcat", "-b", broker.bootstrap, "-P", "-t", "resumed", "-p", "0"], stdin="1\n2\n3\n")
    group = ["kcat", "-b", broker.bootstrap, "-G", "readers", "-X", "auto.offset.reset=earliest", "-e", "-q", "resumed"]
    expect_equal(context.run(group).out, "1\n2\n3\n", "first time")
    context.run(["kcat", "-b", broker.bootstrap, "-P", "-t", "resumed", "-p", "0"], stdin="4\n")
    expect_equal(context.run(group).out, "4\n", "second time")
