"""What the JMX exporter makes of Kafka's MBeans with its example for Kafka (kafka-2_0_0.yml), from what JmxTool prints: names in lower
case, counters of meters as _total, gauges by their own name, shares as _percent, percentiles of histograms as quantiles, the other keys as labels."""
import re

LINE = re.compile(r"kafka\.([\w.]+):type=([\w-]+),name=([\w-]+)((?:,[\w-]+=[^,:]+)*):(\w+)\t(.*)")


def samples(text):
    """(name, labels) -> value as printed."""
    found = {}
    for line in text.splitlines():
        match = LINE.fullmatch(line)
        if match is None:
            continue
        domain, kind, name, keys, attribute, value = match.groups()
        labels = dict(part.split("=", 1) for part in keys.split(",") if part)
        stem = f"kafka_{domain.replace('.', '_')}_{kind}_"
        if name.endswith("Percent"):
            if attribute not in ("Value", "MeanRate"):
                continue
            stem += name.removesuffix("Percent") + "_percent"
        elif attribute == "Count":
            stem += name.removesuffix("PerSec") + ("_total" if name.endswith("PerSec") else "_count")
        elif attribute == "Value":
            stem += name
        elif percentile := re.fullmatch(r"(\d+)thPercentile", attribute):
            stem += name
            labels["quantile"] = "0." + percentile[1]
        else:
            continue
        found[stem.lower().replace("-", "_"), frozenset(labels.items())] = value
    return found
