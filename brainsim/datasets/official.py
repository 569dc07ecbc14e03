"""The neuromorphic benchmarks in their official files: what they are called, where they are, how they are read.

    shd, ssc        Spiking Heidelberg Digits, Spiking Speech Commands     Cramer et al., IEEE TNNLS 33 (2022) 2744
    nmnist          N-MNIST                                                Orchard et al., Front. Neurosci. 9 (2015) 437
    ncaltech101     N-Caltech101                                           as N-MNIST
    dvs_gesture     DVS128 Gesture, cut into gestures                      Amir et al., CVPR 2017
    cifar10_dvs     CIFAR10-DVS, as .aedat4                                Li et al., Front. Neurosci. 11 (2017) 309
    poker_dvs       POKER-DVS                                              Serrano-Gotarredona and Linares-Barranco 2015
    n_tidigits      N-TIDIGITS18, its recordings of one digit              Anumula et al., Front. Neurosci. 12 (2018) 23
    st_mnist        ST-MNIST (by hand: its host asks for a form)           See et al., arXiv 2005.04319

Addresses and sums are those that Tonic publishes, with its copies of DVS128 Gesture, CIFAR10-DVS and POKER-DVS (Lenz et
al., zenodo.org/records/5079802). Sets without an official split have the one split "all".
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from . import readers
from .download import Archive
from .readers import Recording, Recordings

AT_A_TIME = 256
"""Files read together."""


@dataclasses.dataclass(frozen=True)
class Part:
    """One split of a set.

    Attributes:
        pattern: Its files, below the folder of the set.
        count: How many there are.
        archives: What they are published in.
    """

    pattern: str
    count: int
    archives: tuple[Archive, ...]


def folder_name(path: Path) -> str:
    """What most sets call a class by."""
    return path.parent.name


@dataclasses.dataclass(frozen=True)
class Official:
    """A set: either every recording is a file (`read`), or one file holds them all (`container`).

    Attributes:
        title: Its name in print.
        page: Where it is described, and to be fetched by hand.
        shape: Shape of the sensor.
        splits: Its parts.
        classes: Names of the labels; empty where the paths have them.
        read: The recording of a file.
        key: What a path calls the class.
        keys: These names, in the order of the labels; empty for all that are found, in alphabetical order.
        container: The recordings of a file and a split, some hundred at a time.
    """

    title: str
    page: str
    shape: tuple[int, ...]
    splits: dict[str, Part]
    classes: tuple[str, ...] = ()
    read: Callable[[Path], Recording] | None = None
    key: Callable[[Path], str] = folder_name
    keys: tuple[str, ...] = ()
    container: Callable[[Path, str], Iterator[Recordings]] | None = None

    def recordings(self, files: Sequence[Path], split: str) -> Iterator[Recordings]:
        """The recordings of one split, some hundred at a time.

        Raises:
            ValueError: A damaged file, or one whose path names no class.
        """
        if self.container is not None:
            yield from self.container(files[0], split)
            return
        keys, read = self.keys or self.found_keys(files), self.read
        assert read is not None
        if wrong := [path for path in files if self.key(path) not in keys]:
            raise ValueError(f"`root`: expected files of the classes {', '.join(keys)}, got {wrong[0]}.")
        for first in range(0, len(files), AT_A_TIME):
            paths = files[first : first + AT_A_TIME]
            labels = [keys.index(self.key(path)) for path in paths]
            yield Recordings.of([read(path) for path in paths], np.asarray(labels))

    def found_keys(self, files: Sequence[Path]) -> tuple[str, ...]:
        """What the paths call the classes, in alphabetical order."""
        return tuple(sorted({self.key(path) for path in files}))


MENDELEY, FIGSHARE = "https://data.mendeley.com/public-files/datasets", "https://figshare.com/ndownloader/files"
DIGITS = tuple("0123456789")
OBJECTS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
GESTURES = ("hand clapping", "right hand wave", "left hand wave", "right arm clockwise", "right arm counterclockwise")
GESTURES += ("left arm clockwise", "left arm counterclockwise", "arm roll", "air drums", "air guitar", "other")


def _heidelberg(name: str, sums: dict[str, str]) -> dict[str, Part]:
    def part(split: str) -> Part:
        file = f"{name}_{split}.h5"
        archive = Archive(f"{file}.zip", f"https://zenkelab.org/datasets/{file}.zip", f"md5:{sums[split]}")
        return Part(file, 1, (archive,))

    return {split: part(split) for split in sums}


def _n_mnist(split: str, count: int, identifier: str, md5: str) -> Part:
    address = f"{MENDELEY}/468j46mzdv/files/{identifier}/file_downloaded"
    return Part(f"**/{split.title()}/*/*.bin", count, (Archive(f"{split}.zip", address, f"md5:{md5}"),))


def _gesture(split: str, count: int, number: int, md5: str) -> Part:
    name = f"ibmGesture{split.title()}"
    return Part(f"**/{name}/*/*.npy", count, (Archive(f"{name}.tar.gz", f"{FIGSHARE}/{number}", f"md5:{md5}"),))


def _poker(split: str, count: int, share: str, md5: str) -> Part:
    name = f"pips_{split}.tar.gz"
    address = f"https://nextcloud.lenzgregor.com/s/{share}/download/{name}"
    return Part(f"**/pips_{split}/*/*.npy", count, (Archive(name, address, f"md5:{md5}"),))


def _aedat4(path: Path) -> Recording:
    return readers.read_aedat4(path, (2, 128, 128))[0]


_N_TIDIGITS = Archive(
    "n-tidigits.hdf5",
    "https://www.dropbox.com/scl/fi/1x4lxt9yyw25sc3tez8oi/n-tidigits.hdf5?e=2&rlkey=w8gi5udvib2zqzosusa5tr3wq&dl=1",
    "md5:360a2d11e5429555c9197381cf6b58e0",
)
_CALTECH = Archive(
    "N-Caltech101-archive.zip",
    f"{MENDELEY}/cy6cvx3ryv/files/36b5c52a-b49d-4853-addb-a836a8883e49/file_downloaded",
    "md5:66201824eabb0239c7ab992480b50ba3",
    inner=("Caltech101.zip",),
)
_CIFAR = Archive(
    "CIFAR10DVS.zip",
    f"{FIGSHARE}/38023437",
    "md5:ce3a4a0682dc0943703bd8f749a7701c",
    inner=tuple(f"{name}.zip" for name in OBJECTS),
)
_ST_MNIST = Archive(
    "STMNIST dataset NUS Tee Research Group.zip",
    None,
    "sha256:825bb5a64753fff4a2a2c32e3497fa8a951d9c94993e03ba25a057e17d83b884",
)

OFFICIAL = {
    "shd": Official(
        "the Spiking Heidelberg Digits",
        "https://zenkelab.org/datasets",
        (700,),
        _heidelberg("shd", {"train": "f3252aeb598ac776c1b526422d90eecb", "test": "1503a5064faa34311c398fb0a1ed0a6f"}),
        tuple(f"{digit} ({language})" for language in ("English", "German") for digit in DIGITS),
        container=lambda path, split: readers.read_hsd(path, 20),
    ),
    "ssc": Official(
        "Spiking Speech Commands",
        "https://zenkelab.org/datasets",
        (700,),
        _heidelberg(
            "ssc",
            {
                "train": "d102be95e7144fcc0553d1f45ba94170",
                "valid": "b4eee3516a4a90dd0c71a6ac23a8ae43",
                "test": "a35ff1e9cffdd02a20eb850c17c37748",
            },
        ),
        container=lambda path, split: readers.read_hsd(path, 35),
    ),
    "nmnist": Official(
        "N-MNIST",
        "https://www.garrickorchard.com/datasets/n-mnist",
        (2, 34, 34),
        {
            "train": _n_mnist(
                "train", 60_000, "39c25547-014b-4137-a934-9d29fa53c7a0", "20959b8e626244a1b502305a9e6e2031"
            ),
            "test": _n_mnist(
                "test", 10_000, "05a4d654-7e03-4c15-bdfa-9bb2bcbea494", "69ca8762b2fe404d9b9bad1103e97832"
            ),
        },
        DIGITS,
        read=readers.read_atis,
        keys=DIGITS,
    ),
    "ncaltech101": Official(
        "N-Caltech101",
        "https://www.garrickorchard.com/datasets/n-caltech101",
        (2, 180, 240),
        {"all": Part("**/Caltech101/*/*.bin", 8709, (_CALTECH,))},
        read=functools.partial(readers.read_atis, shape=(2, 180, 240)),
    ),
    "dvs_gesture": Official(
        "DVS128 Gesture",
        "https://research.ibm.com/interactive/dvsgesture",
        (2, 128, 128),
        {
            "train": _gesture("train", 1077, 38022171, "3a8f0d4120a166bac7591f77409cb105"),
            "test": _gesture("test", 264, 38020584, "56070e45dadaa85fff82e0fbfbc06de5"),
        },
        GESTURES,
        read=functools.partial(readers.read_event_npy, shape=(2, 128, 128), columns="xypt", unit_us=1000),
        key=lambda path: path.stem,
        keys=tuple(str(number) for number in range(len(GESTURES))),
    ),
    "cifar10_dvs": Official(
        "CIFAR10-DVS",
        "https://doi.org/10.3389/fnins.2017.00309",
        (2, 128, 128),
        {"all": Part("**/*.aedat4", 10_000, (_CIFAR,))},
        OBJECTS,
        read=_aedat4,
        keys=OBJECTS,
    ),
    "poker_dvs": Official(
        "POKER-DVS",
        "http://www2.imse-cnm.csic.es/caviar/POKERDVS.html",
        (2, 35, 35),
        {
            "train": _poker("train", 48, "ZeCPYBS8kx4Wyjd", "412bcfb96826e4fcb290558e8c150aae"),
            "test": _poker("test", 20, "2iRfwg3y9eAMpGL", "eef2bf7d0d3defae89a6fa98b07c17af"),
        },
        ("clubs", "hearts", "diamonds", "spades"),
        read=functools.partial(readers.read_event_npy, shape=(2, 35, 35)),
        key=lambda path: path.parent.name[-2:],
        keys=("cl", "he", "di", "sp"),
    ),
    "n_tidigits": Official(
        "N-TIDIGITS18",
        "https://docs.google.com/document/d/1Uxe7GsKKXcy6SlDUX4hoJVAC0-UkH-8kr5UXp0Ndi1M",
        (64,),
        {split: Part("n-tidigits.hdf5", 1, (_N_TIDIGITS,)) for split in ("train", "test")},
        ("o", *DIGITS[1:], "z"),
        container=readers.read_n_tidigits,
    ),
    "st_mnist": Official(
        "ST-MNIST",
        "https://scholarbank.nus.edu.sg/handle/10635/168106",
        (2, 10, 10),
        {"all": Part("**/[0-9]/*.mat", 6953, (_ST_MNIST,))},
        DIGITS,
        read=readers.read_st_mnist,
        keys=DIGITS,
    ),
}
