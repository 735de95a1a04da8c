"""What to get for each data set, from where, under which terms, and where to put it. Standard library only."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Guide:
    """How one data set is got and laid out. All paths are relative to the data root.

    Attributes:
        name: The reader's, in the registry DATASETS.
        config: Trains on it: the file's name in configs/.
        homepage: Where its authors publish it.
        licence: The terms, as far as they are stated.
        need: Label files that must be there; of each group one is enough.
        labels: Patterns of all label files that may be there.
        steps: What to do, a sentence each.
        table: The reader's further keywords, as the config has them.
        config_options: What ``config`` needs to be told beside the root.
        known_missing: Stems of images that are missing or broken in the copies that go around.
    """

    name: str
    config: str
    homepage: str
    licence: str
    need: tuple[tuple[str, ...], ...]
    labels: tuple[str, ...]
    steps: tuple[str, ...]
    table: Mapping[str, object] = field(default_factory=dict)
    config_options: tuple[str, ...] = ()
    known_missing: frozenset[str] = frozenset()

    @property
    def key(self) -> str:
        """The name on the command line, and the last part of the usual data root."""
        return next(key for key, guide in GUIDES.items() if guide is self)

    def text(self, root: Path) -> str:
        """What to get and where to put it, for ``root``."""
        steps = [f'{number}. {step.format(root=root)}' for number, step in enumerate(self.steps, start=1)]
        last = f'{len(steps) + 1}. python tools/prepare_data.py {self.key} --root {root}'
        return '\n     '.join(
            [f'get {self.name} from {self.homepage}', f'licence: {self.licence}', *steps, last + ' (again)']
        )

    def command(self, root: Path, cfg_options: Sequence[str] = ()) -> str:
        """How to train on it, with the further options that it was prepared with."""
        options = [*self.config_options, f'table.root={root}', *cfg_options]
        return f'python tools/train.py configs/{self.config} --cfg-options {shlex.join(options)}'


_UNPACK = 'zip and tar archives in {root}/downloads/ (or given as --archive) are unpacked into {root} for you'

GUIDES: dict[str, Guide] = {
    'baid': Guide(
        name='BAID',
        config='ssmr_swin_baid.py',
        homepage='https://github.com/Dreemurr-T/BAID',
        licence='CC BY-NC-ND 4.0 (labels; the works belong to their artists)',
        need=tuple((f'dataset/{split}_set.csv',) for split in ('train', 'val', 'test')),
        labels=('dataset/*_set.csv',),
        steps=(
            'this command downloads labels and images; behind a closed network get the three files '
            'dataset/{{train,val,test}}_set.csv there and the images by its Baidu netdisk link, and put them into '
            '{root}/dataset/ and {root}/images/<id>.jpg',
        ),
    ),
    'vaps': Guide(
        name='VAPS',
        config='ssmr_swin_vaps.py',
        homepage='https://osf.io/a7xcr (doi 10.1037/aca0000460)',
        licence='non-commercial research; sign the VAPS_Agreement',
        need=(
            (
                'VAPS_ValidationData.sav', 'VAPS_ValidationData.csv', 'VAPS_ValidationData.xlsx',
                'vaps999_labels.csv',
            ),
        ),
        labels=('VAPS_ValidationData.*', 'VAPS_Information.*', 'vaps999_labels.csv'),
        steps=(
            'download VAPS_ValidationData.sav and VAPS_Information.xlsx to {root}/ (they need '
            "pip install 'ssmr[spreadsheets]'; exported as .csv they need nothing)",
            'send the signed VAPS_Agreement to the authors: they send the password of the picture archive',
            'unpack that archive yourself, as it is encrypted, so that {root}/ holds the folders 1 Scenes, 2 '
            'Portraits, 3 Landscapes, 4 Still Lifes and 5 Toward Abstraction with <Picture_Number>.jpg, or put all '
            'pictures into {root}/images/',
        ),
    ),
    'tad66k': Guide(
        name='TAD66K',
        config='ssmr_swin_tad66k.py',
        homepage='https://github.com/woshidandan/TANet-image-aesthetics-and-quality-assessment',
        licence='not stated, as far as we know; the photographs belong to their authors (ask before any other use)',
        need=(('labels/merge/train.csv', 'merge/train.csv'), ('labels/merge/test.csv', 'merge/test.csv')),
        labels=('labels/merge/*.csv', 'merge/*.csv', 'labels/unmerge/**/*.csv', 'unmerge/**/*.csv'),
        steps=(
            'download the labels and the images by the Google Drive or Baidu links of its README',
            _UNPACK,
            'put the labels to {root}/labels/merge/train.csv and test.csv, and those by theme, which are optional, to '
            '{root}/labels/unmerge/',
            'put the 66,327 images into {root}/images/',
        ),
        table={'val_share': 0.05},
    ),
    'ava': Guide(
        name='AVA',
        config='ssmr_swin_ava.py',
        homepage='https://github.com/imfing/ava_downloader',
        licence='research use; the photographs of dpchallenge.com belong to their authors',
        need=(('AVA.txt',), ('aesthetics_image_lists/generic_test.jpgl',)),
        labels=('AVA.txt', 'aesthetics_image_lists/*.jpgl'),
        steps=(
            'download AVA.txt and aesthetics_image_lists/ to {root}/',
            'download the images by its torrent or MEGA links; the 64 parts of the 7z archive are not unpacked for '
            'you: 7z x images.7z.001',
            'put the about 255,500 images to {root}/images/<id>.jpg',
            'for another test list add --cfg-options table.test_list=FILE; without any, table.test_list=None divides '
            'the works by checksum, and results compare with no published ones',
        ),
        table={'test_list': 'aesthetics_image_lists/generic_test.jpgl', 'unknown': 'error', 'val_share': 0.05},
        known_missing=frozenset(('2113', '2878', '770406', '729377', '2761', '3101', '3937')),
    ),
    'apdd': Guide(
        name='APDDv2',
        config='ssmr_swin_apdd.py',
        homepage='https://github.com/BestiVictory/APDDv2',
        licence='CC BY-NC-ND 4.0',
        need=(('APDDv2-10023.csv',),),
        labels=('APDDv2-10023.csv', 'splits/*.txt'),
        steps=(
            'download APDDv2-10023.csv from the repository to {root}/, and the images by the Google Drive or Baidu '
            'link of its README',
            _UNPACK,
            'put the 10,023 images into {root}/images/',
        ),
        table={'scale': (0, 100), 'threshold': 50.0},
        known_missing=frozenset(('36e41ae7b2764733b48475adf617b758',)),
    ),
    'lapis': Guide(
        name='LAPIS',
        config='ssmr_swin_baid.py',
        homepage='https://github.com/Anne-SofieMaerten/LAPIS',
        licence='on request from the authors, under their terms',
        need=(
            ('annotation/LAPIS_PIAA.csv', 'annotation/LAPIS_individualratings_metaANDdemodata.csv'),
            *((f'imageset/{split}ImageSet.txt',) for split in ('Train', 'Val', 'Test')),
        ),
        labels=('annotation/*.csv', 'imageset/*.txt'),
        steps=(
            'ask the authors for the data set, as the repository describes',
            _UNPACK,
            'put the ratings into {root}/annotation/, the lists TrainImageSet.txt, ValImageSet.txt and '
            'TestImageSet.txt into {root}/imageset/, and the 11,723 images into {root}/images/',
        ),
        config_options=('table.type=LAPIS', 'work_dir=work_dirs/ssmr_swin_lapis'),
    ),
}  # fmt: skip
