"""Small data sets in the layouts of the big ones, with pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ssmr.preparation import prepare as module
from ssmr.preparation.outcome import Options
from ssmr.preparation.prepare import Prepared

RNG = np.random.default_rng(0)


def paint(root: Path, *files: str) -> None:
    for number, file in enumerate(files):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (12, 10), (number % 256, 80, 120)).save(root / file)


def write(path: Path, *lines: str, encoding: str = 'utf-8') -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('\n'.join(lines) + '\n', encoding=encoding)


def vaps(root: Path, folders: bool = True) -> None:
    numbers = range(10101, 10141)
    rows = [f'{n},{1 + n % 60 / 10},{n % 5 + 1},Renaissance' for n in numbers]
    write(root / 'VAPS_ValidationData.csv', 'Picture_Number,Liking_Mean_All,Category,Style', *rows)
    names = ('1 Scenes', '2 Portraits', '3 Landscapes', '4 Still Lifes', '5 Toward Abstraction')
    paint(root, *(f'{names[n % 5] if folders else "images"}/{n}.jpg' for n in numbers))


def tad66k(root: Path) -> None:
    train, test = [f'{n:03d}.jpg' for n in range(60)], [f'{n:03d}.jpg' for n in range(60, 70)]
    for split, names in (('train', train), ('test', test)):
        write(root / f'labels/merge/{split}.csv', 'image,score', *(f'{n},{int(n[:3]) / 10 + 1}' for n in names))
    write(root / 'labels/unmerge/animal.csv', 'image,score', f'{train[0]},1')
    paint(root, *(f'images/{name}' for name in train + test))


def ava(root: Path) -> None:
    ids = [2113, *range(953000, 953059)]
    votes = RNG.integers(0, 100, (len(ids), 10))
    lines = [f'{n} {i} {" ".join(map(str, v))} 1 22 1396' for n, (i, v) in enumerate(zip(ids, votes, strict=True), 1)]
    write(root / 'AVA.txt', *lines)
    write(root / 'aesthetics_image_lists/generic_test.jpgl', *map(str, ids[-9:]))
    paint(root, *(f'images/{i}.jpg' for i in ids[1:]))


def apdd(root: Path) -> None:
    names = [f'{n:032x}.jpg' for n in range(40)]
    rows = [f'{name},D\xe9cor,{n + 20}.5,{n % 10}' for n, name in enumerate(names)]
    header = 'filename,Artistic Categories,Total aesthetic score,Creativity'
    write(root / 'APDDv2-10023.csv', header, *rows, encoding='latin-1')
    paint(root, *(f'images/{name}' for name in names))


def lapis(root: Path) -> None:
    names = [f'{n:02d}_work.jpg' for n in range(20)]
    rows = [f'{name},{rating},{rater}' for name in names for rater, rating in enumerate(RNG.integers(0, 101, 7))]
    write(root / 'annotation/LAPIS_PIAA.csv', 'image_filename,rating,participant_id', *rows)
    for split, part in (('Train', names[:12]), ('Val', names[12:15]), ('Test', names[15:19])):  # one is in no list
        write(root / f'imageset/{split}ImageSet.txt', *part)
    paint(root, *(f'images/{name}' for name in names))


MAKERS: dict[str, Callable[[Path], None]] = {'vaps': vaps, 'tad66k': tad66k, 'ava': ava, 'apdd': apdd, 'lapis': lapis}
#: So that a small data set has works in every split.
CFG: dict[str, list[str]] = {'tad66k': ['table.val_share=0.3'], 'ava': ['table.val_share=0.3']}


def prepare(key: str, root: Path, **options: Any) -> tuple[Prepared, list[str]]:
    said: list[str] = []
    return module.prepare(key, root, Options(**options), CFG.get(key, []), said.append), said
