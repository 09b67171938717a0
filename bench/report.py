"""What the reports of all benchmarks share."""
import os
import pathlib
import statistics


def machine():
    model = next((line.split(":")[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), "unknown")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} CPUs ({model}), {memory:.0f} GiB"


def table(sides, ratio_name):
    """Medians per measure: sides have `kind` and `values` (measure -> list); the ratio is the second by the first."""
    rows = list(dict.fromkeys(row for side in sides for row in side.values))
    lines = ["| measure | " + " | ".join(side.kind for side in sides) + f" | {ratio_name} |",
             "| --- |" + " ---: |" * (len(sides) + 1)]
    for row in rows:
        medians = [statistics.median(side.values[row]) if row in side.values else None for side in sides]
        ratio = medians[1] / medians[0] if len(medians) == 2 and all(medians) else None
        cells = ["" if median is None else f"{median:,.{2 if median < 100 else 0}f}" for median in medians]
        lines.append(f"| {row} | {' | '.join(cells)} | {'' if ratio is None else f'{ratio:.2f}'} |")
    return "\n".join(lines)
