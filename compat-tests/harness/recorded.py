"""Answers that were recorded from Apache Kafka, for tests that ask the same of Milena."""


def answers(path):
    """Scenario -> its lines. A scenario begins with [its name]; lines of # are comments."""
    found, lines = {}, None
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            lines = found[line.strip("[]")] = []
        elif line and not line.startswith("#"):
            lines.append(line)
    return found
