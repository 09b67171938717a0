"""usage: watch_events.py HOST:PORT    takes the controller's place, so that nobody removes what brokers tell it, and prints the
first event of a log directory; ends with its standard input"""
import sys
import time

from kazoo.client import KazooClient

EVENTS = "/log_dir_event_notification"

client = KazooClient(hosts=sys.argv[1], timeout=10)
client.start(60)
takeover = client.transaction()
takeover.delete("/controller")
takeover.create("/controller", b'{"version":2,"brokerid":77,"timestamp":"1","kraftControllerEpoch":-1}', ephemeral=True)
print("ready" if takeover.commit()[1] == "/controller" else "refused", flush=True)
while not (names := client.get_children(EVENTS)):
    time.sleep(0.05)
print(*sorted(names), client.get(f"{EVENTS}/{min(names)}")[0].decode(), flush=True)
sys.stdin.read()
client.stop()
client.start(60)
while client.get_children(EVENTS):
    time.sleep(0.05)
print("removed", flush=True)
