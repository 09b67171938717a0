"""The samples of a Prometheus endpoint, by the parser of Prometheus' own Python client."""
import math
import time
import urllib.request

from prometheus_client.parser import text_string_to_metric_families


class Scrape:
    def __init__(self, url):
        self.before = time.time()
        with urllib.request.urlopen(url, timeout=60) as response:
            assert response.status == 200
            assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8", response.headers
            self.text = response.read().decode()
        self.after = time.time()
        self.samples, self.types = {}, {}
        for family in text_string_to_metric_families(self.text):
            assert family.documentation and family.name not in self.types, family.name
            self.types[family.name] = family.type
            for sample in family.samples:
                key = (sample.name, frozenset(sample.labels.items()))
                assert key not in self.samples, f"twice: {key}"
                self.samples[key] = sample.value

    def get(self, name, **labels):
        return self.samples.get((name, frozenset(labels.items())))

    def expect(self, expected, name, **labels):
        actual = self.get(name, **labels)
        assert actual == expected, f"{name} {labels}: {actual} instead of {expected}"

    def family(self, name):
        """Labels to value of all samples with exactly this name."""
        return {labels: value for (sample, labels), value in self.samples.items() if sample == name}

    def check_counters_after(self, earlier):
        """No counter goes back."""
        for (name, labels), value in earlier.samples.items():
            if name.endswith(("_total", "_count", "_sum")) and not math.isnan(value) and "consumergroup" not in name:
                assert self.samples.get((name, labels), -1) >= value, f"{name} {labels} went back"
