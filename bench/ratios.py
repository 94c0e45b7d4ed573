"""From measured pairs to ratios and tables.

A pair is one run of vmoe and one of a peer, one right after the other:

    {"config": "cifar192", "task": "train", "peer": "eager", "round": 0,
     "vmoe": {"images_per_second": ..., "p50_ms": ..., "p95_ms": ..., "peak_mib": ..., "peak_fraction": ...},
     "other": {... the same without peak_fraction, and "precision": "fp32"}}

Both ratios are vmoe's figure over the peer's of the same pair: of speed, more than 1 is faster; of peak memory, less
than 1 is smaller. A slow minute of the machine strikes both runs of a pair, so ratios move less than speeds do.
"""
from statistics import median

BEST_FP32 = "best fp32 peer"
BEST = "best peer"


def speed_ratio(pair):
    return pair["vmoe"]["images_per_second"] / pair["other"]["images_per_second"]


def memory_ratio(pair):
    return pair["vmoe"]["peak_mib"] / pair["other"]["peak_mib"]


def spread(values):
    """Median, least and most."""
    return median(values), min(values), max(values)


def of_case(pairs, config, task):
    return [p for p in pairs if (p["config"], p["task"]) == (config, task)]


def by_peer(pairs):
    """Pairs by the peer's name, in the order in which the peers first occur."""
    groups = {}
    for pair in pairs:
        groups.setdefault(pair["peer"], []).append(pair)
    return groups


def best_of_rounds(pairs, precision=None):
    """Of every round the pair whose peer was fastest, among peers that compute with `precision` (None: any).

    A round in which a peer is missing that other rounds have is left out: it might have been the fastest.
    """
    eligible = [p for p in pairs if precision in (None, p["other"]["precision"])]
    peers = {p["peer"] for p in eligible}
    rounds = {}
    for pair in eligible:
        rounds.setdefault(pair["round"], []).append(pair)
    return [max(rounds[r], key=lambda p: p["other"]["images_per_second"]) for r in sorted(rounds)
            if {p["peer"] for p in rounds[r]} == peers]


def groups_of(pairs):
    """Pairs of one case by peer, and by the best peer of each round."""
    groups = by_peer(pairs)
    if groups:
        groups[BEST_FP32] = best_of_rounds(pairs, "fp32")
        groups[BEST] = best_of_rounds(pairs)
    return {name: group for name, group in groups.items() if group}


def with_range(values, digits):
    middle, least, most = spread(values)
    return f"{middle:.{digits}f} ({least:.{digits}f}..{most:.{digits}f})"


def cases(pairs):
    """(config, task) in the order in which they first occur."""
    return list(dict.fromkeys((p["config"], p["task"]) for p in pairs))


def text_report(pairs):
    """For a terminal: every case, every peer."""
    lines = []
    for config, task in cases(pairs):
        lines.append(f"{config} {task}: vmoe over peer, median (least..most) of the pairs")
        for name, group in groups_of(of_case(pairs, config, task)).items():
            images = median(p["other"]["images_per_second"] for p in group)
            lines.append(f"  {name:20s} {len(group)} pairs  speed {with_range(list(map(speed_ratio, group)), 2):20s}"
                         f" memory {with_range(list(map(memory_ratio, group)), 2):20s} peer {images:.1f} img/s")
    return "\n".join(lines)


def markdown_row(cells):
    return "| " + " | ".join(cells) + " |"


def peer_tables(pairs, task):
    """Two tables of a task in Markdown, speed and memory: a row a configuration, a column a peer."""
    mine = [p for p in pairs if p["task"] == task]
    grouped = {config: groups_of(of_case(mine, config, task)) for config, _ in cases(mine)}
    names = [n for n in dict.fromkeys(n for groups in grouped.values() for n in groups) if n not in (BEST_FP32, BEST)]
    names = [BEST_FP32, BEST] + names
    lines = []
    for title, ratio in (("speed", speed_ratio), ("peak memory", memory_ratio)):
        lines += ["", f"Ratio of {title}, vmoe over peer:", "",
                  markdown_row(["configuration"] + names), markdown_row(["---"] * (len(names) + 1))]
        for config, groups in grouped.items():
            lines.append(markdown_row([f"`{config}`"] + [
                with_range([ratio(p) for p in groups[n]], 2) if n in groups else "-" for n in names]))
    return lines


def own_table(pairs, task):
    """What vmoe itself reached, over all its runs of a task."""
    latency = task == "infer1"
    head = ["configuration", "images/s", "p50 / p95 ms" if latency else "step ms", "of the FMA peak", "peak MiB",
            "best fp32 peer", "its images/s", "its peak MiB"]
    lines = [markdown_row(head), markdown_row(["---"] * len(head))]
    for config, _ in cases(p for p in pairs if p["task"] == task):
        case = of_case(pairs, config, task)
        runs = [p["vmoe"] for p in case]
        best = best_of_rounds(case, "fp32")
        p50, p95 = (median(r[key] for r in runs) for key in ("p50_ms", "p95_ms"))
        lines.append(markdown_row([
            f"`{config}`", with_range([r["images_per_second"] for r in runs], 1),
            f"{p50:.2f} / {p95:.2f}" if latency else f"{p50:.1f}",
            f"{100 * median(r['peak_fraction'] for r in runs):.0f} %", f"{max(r['peak_mib'] for r in runs):.0f}",
            ", ".join(dict.fromkeys(p["peer"] for p in best)) or "-",
            with_range([p["other"]["images_per_second"] for p in best], 1) if best else "-",
            f"{max(p['other']['peak_mib'] for p in best):.0f}" if best else "-"]))
    return lines


TASK_TITLES = {"train": "Training, images a second, AdamW step included",
               "infer32": "Inference, 32 images at a time", "infer1": "Inference, one image at a time"}


def markdown(results):
    """The tables for docs/performance.md, from what `bench/compare --json` stored."""
    pairs, settings = results["pairs"], results["settings"]
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    rounds = sorted({len(group) for config, task in cases(pairs)
                     for group in by_peer(of_case(pairs, config, task)).values()})
    lines = [f"{results['machine']}; {settings['threads']} threads, vmoe in {settings['precision']}, "
             f"{settings['seconds']:g} s a run, {' or '.join(map(str, rounds))} pairs a peer. {versions}."]
    for task, title in TASK_TITLES.items():
        if any(p["task"] == task for p in pairs):
            lines += ["", f"### {title}", ""] + own_table(pairs, task) + peer_tables(pairs, task)
    return "\n".join(lines)
