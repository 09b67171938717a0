"""Programs with kafkajs."""
from harness import npm
from harness.context import expect_in


def client(context, program, count, done):
    target = npm.installed(context, context.root / "compat-tests" / "node", "node")
    out = context.run(["node", target / program, context.broker().bootstrap, int(count * context.scale)]).out
    expect_in(done, out)
    return out.strip()


def test_kafkajs(context):
    """Produce, a group that grows and shrinks, administration."""
    return client(context, "client.js", 3000, "kafkajs done")


def test_kafkajs_transactions(context):
    """A copy in transactions, each aborted first; a fenced producer."""
    return client(context, "transactions.js", 3000, "kafkajs transactions done")
