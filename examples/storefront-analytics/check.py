"""usage: check.py BOOTSTRAP START_MS
Follows the outputs, with a line after every 500 records. When they are complete, it compares them with a straight computation.
Exit code 1 if they differ.

Not only the last value of each key counts: totals tell how many orders they contain, so that their versions must be
1, 2, 3 … without a gap or a repetition, and a cart may be found abandoned once."""
import collections
import sys
import time

import events
import outputs

QUIET_S, PATIENCE_S = 3, 60  # after the last expected record; after any record if more are expected


def collect(bootstrap, wanted):
    """All values of each topic and key, in order."""
    values = {name: collections.defaultdict(list) for name in wanted}
    counts, last = collections.Counter(), time.monotonic()

    def complete():
        return all(counts[name] >= count for name, count in wanted.items())

    for record in outputs.follow(bootstrap):
        if record:
            name, key, value = record
            values[name][key].append(value)
            counts[name] += 1
            last = time.monotonic()
            if sum(counts.values()) % 500 == 0:
                print(dict(counts), flush=True)
        elif time.monotonic() - last > (QUIET_S if complete() else PATIENCE_S):
            return values, counts
    return None


def differences(values, expected):
    for name in ("revenue-per-minute", "product-totals"):
        for key in sorted(values[name].keys() | expected[name].keys()):
            versions, right = values[name][key], dict(expected[name][key])
            orders = [version["orders"] for version in versions]
            if orders != list(range(1, right.get("orders", 0) + 1)):
                yield f"{name} of {key}: after its orders {orders} instead of 1 to {right.get('orders', 0)}"
            elif versions[-1] != right:
                yield f"{name} of {key}: {versions[-1]} instead of {right}"
    if values["top-products"]["top"][-1:] != [expected["top-products"]["top"]]:
        yield f"top-products: {values['top-products']['top'][-1:]} instead of {expected['top-products']['top']}"
    for cart in sorted(values["abandoned-carts"].keys() | expected["abandoned-carts"].keys()):
        found, right = values["abandoned-carts"][cart], expected["abandoned-carts"].get(cart)
        if found != ([right] if right else []):
            yield f"abandoned-carts: {cart} is there {len(found)} times: {found}, instead of {right}"


def main():
    expected = events.expected(events.stream(int(sys.argv[2])))
    orders = sum(totals["orders"] for totals in expected["product-totals"].values())
    wanted = {"revenue-per-minute": orders, "product-totals": orders, "top-products": 1, "abandoned-carts": len(expected["abandoned-carts"])}
    values, counts = collect(sys.argv[1], wanted)
    print("--")
    found = list(differences(values, expected))
    for line in found[:20]:
        print(line)
    print(f"{orders} orders, {counts['revenue-per-minute']} updates of {len(values['revenue-per-minute'])} totals by minute and kind, "
          f"{counts['product-totals']} of {len(values['product-totals'])} products, {counts['abandoned-carts']} abandoned carts: "
          f"{len(found)} differences")
    sys.exit(1 if found else 0)


main()
