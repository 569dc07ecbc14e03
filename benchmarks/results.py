"""Write `benchmarks/RESULTS.md`: the tables of results, from their JSON files alone.

    python -m brainsim bench run operators networks training datasets peers --out results/
    python benchmarks/results.py results/

Several folders may be given, such as that of `figures.py`.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from brainsim.bench import page
from brainsim.bench.compare import read

TARGET = Path(__file__).resolve().parent / "RESULTS.md"
HEAD = """# Results

Written by `python benchmarks/results.py {folders}`. A ratio compares what ran in turns in one run; the spread is the
distance between the quartiles of the samples, as a part of their median. How to measure: [README.md](README.md).

"""


def main(words: Sequence[str], target: Path = TARGET) -> None:
    """Read the folders, write the file."""
    if not words:
        sys.exit("expected folders of results, such as `python benchmarks/results.py results/`.")
    try:
        results = [result for folder in words for result in read(Path(folder))]
    except ValueError as error:
        sys.exit(str(error))
    target.write_text(HEAD.format(folders=" ".join(words)) + page.markdown(results))
    print(f"{target}: {len(results)} results")


if __name__ == "__main__":
    main(sys.argv[1:])
