"""Scripts of unit tests, played in real time: each scenario at once with all others. What the world of a unit test alone can do (a
coordinator that moves, records that can't be written) isn't played, and when exactly something came isn't compared."""
import re
import threading
import time

QUIET_S = 0.4  # nothing more comes


def scenarios(path, elsewhere):
    """(name, [(line, step, what comes of it)]), but for those with a step that begins like one of `elsewhere`."""
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("["):
            found.append((line[1:-1], []))
        elif line.startswith("  "):
            found[-1][1][-1][2].append(line.strip())
        elif line and not line.startswith("#"):
            found[-1][1].append((number, line, []))
    return [one for one in found if not any(step.startswith(elsewhere) for _, step, _ in one[1])]


class Words:
    """A step, word by word: what stands after others is taken out first."""

    def __init__(self, text):
        self.words = text.split()

    def take(self, word):
        if word not in self.words:
            return False
        self.words.remove(word)
        return True

    def after(self, word, count=1):
        if word not in self.words:
            return None
        at = self.words.index(word)
        values = self.words[at + 1:at + 1 + count]
        del self.words[at:at + 1 + count]
        return values[0] if count == 1 else values

    def milliseconds_after(self, word):
        values = self.after(word, 2)
        return None if values is None else int(values[0]) * (1000 if values[1] == "s" else 1)


class Play:
    """What comes of the steps of one scenario. A kind of script says what step() and records() do."""

    def __init__(self):
        self.events, self.lock = [], threading.Lock()

    def run(self, steps):
        """Lines that tell of the first thing that came otherwise."""
        for number, step, expected in steps:
            expected = sorted(re.sub(r"^at [\d.]+ s: ", "", one) for one in expected)
            if late := self.taken():
                return [f"{number}: before it: {step}\n    too late: " + "\n              ".join(late)]
            self.step(Words(step))
            end = time.monotonic() + 10
            while time.monotonic() < end:
                time.sleep(QUIET_S if len(self.events) >= len(expected) else 0.05)
                self.records()
                with self.lock:
                    if sorted(self.events) == expected:
                        break
            got = self.taken()
            if got != expected:
                return [f"{number}: {step}\n    expected: " + "\n              ".join(expected or ["nothing"])
                        + "\n    got:      " + "\n              ".join(got or ["nothing"])]
        return []

    def taken(self):
        """What came since the last time."""
        with self.lock:
            events, self.events = sorted(self.events), []
        return events

    def say(self, line):
        with self.lock:
            self.events.append(line)


def play(bootstrap, kind, paths, elsewhere):
    """All scenarios of these files. Scenario -> what came otherwise than told."""
    results = {}

    def work(label, name, steps):
        results[label] = kind(bootstrap, name).run(steps)
    threads = []
    for path in paths:
        for number, (title, steps) in enumerate(scenarios(path, elsewhere)):
            label = f"{path.name} [{title}]"
            results[label] = ["it didn't come to its end"]
            threads.append(threading.Thread(target=work, args=(label, f"{path.stem}-{number}", steps), daemon=True))
            threads[-1].start()
    for thread in threads:
        thread.join(300)
    return results
