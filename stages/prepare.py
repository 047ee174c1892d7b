"""Decode folders of photographs to gray, rgb and lab arrays."""

from pathlib import Path

from colorizer.data.prepare import SPLITS, prepare
from colorizer.data.splits import PREPARED
from colorizer.errors import one_line_errors
from colorizer.files import atomic_write, write_metrics, write_text
from colorizer.params import load_params


def main() -> None:
    """Prepare the three splits of a data set."""
    params = load_params()

    with atomic_write(*(PREPARED / split for split in SPLITS)) as folders:
        summaries = prepare(Path("data/raw", params.data.name), folders, params.prepare)
    bad = {name: error for summary in summaries for name, error in summary.bad.items()}
    # Names escaped, since they may be what is wrong; errors left out, since Pillow's wording
    # changes. The first line is for DVC, which warns of empty files.
    names = (f"{ascii(name)[1:-1]}\n" for name in bad)
    write_text(PREPARED / "skipped.txt", "".join(["# skipped photographs\n", *names]))
    counts = {
        "photos": {summary.split: summary.photos for summary in summaries},
        "skipped": {summary.split: len(summary.bad) for summary in summaries},
    }
    write_metrics(Path("metrics/prepare.json"), counts)
    print(*(f"skipped {error}" for error in bad.values()), *summaries, sep="\n")
    train, val, _ = summaries
    in_train = {*train.digests}
    if copies := sum(digest in in_train for digest in val.digests):
        print(
            f"exact copies of training photographs in val: {copies} of {val.photos}; "
            "they make its errors too low"
        )


if __name__ == "__main__":
    with one_line_errors():
        main()
