"""Programs with franz-go and sarama, of one module."""
from harness import go
from harness.context import expect_in


def client(context, package, count, done):
    program = go.build(context, context.root / "compat-tests" / "go", f"go-{package.strip('./') or 'franz'}", package)
    out = context.run([program, context.broker().bootstrap, int(count * context.scale)]).out
    expect_in(done, out)
    return out.strip()


def test_franz_go(context):
    """Produce with every codec, consume in a group, administer."""
    return client(context, ".", 5000, "franz-go done")


def test_franz_go_transactions(context):
    """Sessions of a group that copy in transactions come and go, and abort; a fenced producer."""
    return client(context, "./transactions", 6000, "franz-go transactions done")


def test_sarama(context):
    """Idempotent producers under every codec while groups of every strategy and a transactional copier read what they write."""
    return client(context, "./sarama", 2000, "sarama done")
