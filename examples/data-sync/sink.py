"""usage: sink.py BOOTSTRAP DATABASE
Keeps an SQLite database equal to the tables whose changes Debezium writes to the topics shop.public.*.

It may be killed at any time, and so may everything before it:
- The position in the topics is kept in the database, in the transaction of the rows. No message is lost or applied twice.
- Debezium delivers at least once: after a crash it repeats messages. Each change of a row has a place in PostgreSQL's log (its LSN).
  A change whose LSN isn't above the row's newest one was there before and is dropped."""
import json
import sqlite3
import sys

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

TABLES = """
create table if not exists products (id integer primary key, name, price, stock, version);
create table if not exists orders (id integer primary key, customer, product, quantity, status, paid, note, version);
create table if not exists newest (name, id, lsn, primary key (name, id)) without rowid;
create table if not exists positions (topic, partition, next, primary key (topic, partition)) without rowid;
create table if not exists counts (what primary key, number) without rowid;
insert or ignore into counts values ('applied', 0), ('repeated', 0);
"""
TOPICS, PARTITIONS = {"shop.public.products": "products", "shop.public.orders": "orders"}, 3


class Copy:
    def __init__(self, path):
        self.database = sqlite3.connect(path)
        self.database.executescript(TABLES)

    def positions(self):
        known = {(topic, partition): following for topic, partition, following in self.database.execute("select * from positions")}
        return [TopicPartition(topic, partition, known.get((topic, partition), OFFSET_BEGINNING))
                for topic in TOPICS for partition in range(PARTITIONS)]

    def take(self, messages):
        """Some messages in one transaction."""
        with self.database:
            for message in messages:
                applied = self.apply(TOPICS[message.topic()], json.loads(message.value()))
                self.database.execute("update counts set number = number + 1 where what = ?", ("applied" if applied else "repeated",))
                self.database.execute("insert or replace into positions values (?, ?, ?)",
                                      (message.topic(), message.partition(), message.offset() + 1))

    def apply(self, table, change):
        """A change of a row: `r` (it was there at the beginning), `c` (created), `u` (updated) or `d` (deleted)."""
        row = change["after"] or change["before"]
        lsn = 0 if change["op"] == "r" else change["source"]["lsn"]
        known = self.database.execute("select lsn from newest where name = ? and id = ?", (table, row["id"])).fetchone()
        if known and 0 < known[0] >= lsn:
            return False
        if change["op"] == "u":
            version = self.database.execute(f"select version from {table} where id = ?", (row["id"],)).fetchone()
            if version != (row["version"] - 1,):
                sys.exit(f"A change is missing: {table} {row['id']} has version {version}, the next is {row['version']}.")
        self.database.execute("insert or replace into newest values (?, ?, ?)", (table, row["id"], lsn))
        if change["op"] == "d":
            self.database.execute(f"delete from {table} where id = ?", (row["id"],))
        else:
            columns, places = ", ".join(row), ", ".join("?" * len(row))
            self.database.execute(f"insert or replace into {table} ({columns}) values ({places})", list(row.values()))
        return True


def create_topics(bootstrap):
    """All changes of a row are in one partition, in order, since its primary key is the key of the messages."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    missing = [name for name in TOPICS if name not in admin.list_topics(timeout=30).topics]
    for created in admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in missing]).values() if missing else ():
        created.result()


def main():
    bootstrap, path = sys.argv[1:]
    create_topics(bootstrap)
    copy = Copy(path)
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "unused", "enable.auto.commit": False,
                         "auto.offset.reset": "error"})
    consumer.assign(copy.positions())
    print("following", flush=True)
    while True:
        messages = consumer.consume(500, timeout=0.2)
        for message in messages:
            # librdkafka gets over what else may go wrong, such as a broker that is down; this would mean that changes are lost.
            if message.error() and (message.error().fatal() or message.error().code() == KafkaError._AUTO_OFFSET_RESET):
                raise KafkaException(message.error())
        copy.take([message for message in messages if not message.error()])


main()
