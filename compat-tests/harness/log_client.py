"""java/src/LogClient.java: the stock Java clients of Kafka 3.9.2, doing the same on several brokers at once."""
import subprocess
import threading

from harness import jars
from harness.process import HANG_GUARD_S, Failure


def text_of(data):
    """Byte strings as LogClient reads and writes them."""
    return "null" if data is None else data.hex() or "empty"


class LogClient:
    def __init__(self, context, sides):
        self.context, self.sides = context, [str(side) for side in sides]
        self.errors = (context.work / "log-client.log").open("ab")
        self.process = subprocess.Popen(jars.java("3.9.2", "LogClient", heap="512m", log_level="WARN"), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.errors)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.errors.close()

    def ask(self, commands, guard_s=HANG_GUARD_S):
        """{side: words}; the answers by side, without `ok`. An `error …` stays as it is."""
        for side, words in commands.items():
            line = " ".join(map(str, [side, *words]))
            self.context.say(f"> {line[:300]}")
            self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        answers = {}
        watchdog = threading.Timer(guard_s, self.process.kill)
        watchdog.start()
        try:
            while len(answers) < len(commands):
                line = self.process.stdout.readline().decode()
                if not line:
                    raise Failure(f"the client's JVM ended or hung; see {self.errors.name}")
                self.context.say(f"< {line[:300].rstrip()}")
                side, state, *rest = line.rstrip("\n").split(" ", 2)
                answers[side] = (rest or [""])[0] if state == "ok" else f"error {(rest or [''])[0]}"
        finally:
            watchdog.cancel()
        return answers

    def each(self, *words):
        """The same on every side."""
        return self.ask({side: words for side in self.sides})

    def one(self, side, *words):
        answer = self.ask({str(side): words})[str(side)]
        if answer.startswith("error "):
            raise Failure(f"{words[0]}: {answer}")
        return answer
