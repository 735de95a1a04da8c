"""Starting one of several processes: who it is, where the first one listens, which backend carries the data.

mmengine's own start-up needs a GPU and asks ``scontrol`` for names. A process group that exists when the runner is
built is used as it is, so this comes first.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass

import torch
from torch import distributed

from ssmr.engine.hostlist import expand_hosts
from ssmr.errors import ConfigError

LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')
#: Where jobs of Slurm and MPI meet unless MASTER_PORT says so: a port by the job's number, below the ephemeral ones.
FIRST_PORT, PORTS = 12000, 18000
#: A rank may have to wait for another that extracts features or reads a large table.
PATIENCE = datetime.timedelta(hours=6)


@dataclass(frozen=True)
class Place:
    """Which of the processes this is.

    Attributes:
        rank: From 0.
        world_size: How many there are.
        local_rank: Among those of this machine; the GPU it uses.
        address: Of the machine of rank 0.
        port: On which rank 0 listens.
    """

    rank: int
    world_size: int
    local_rank: int
    address: str
    port: int


def find_place(launcher: str, environment: Mapping[str, str]) -> Place:
    """Read the place of this process from what its launcher has set.

    Args:
        launcher: 'pytorch' (torchrun), 'slurm' (srun) or 'mpi' (Open MPI).
        environment: The variables of the process.

    Raises:
        ConfigError: The launcher is unknown, or a variable that it sets is missing or no number.
    """
    if launcher == 'pytorch':
        rank, size, local = _numbers(
            environment, ('RANK', 'WORLD_SIZE', 'LOCAL_RANK'), 'torchrun (tools/dist_train.sh)'
        )
        [port] = _numbers(environment, ('MASTER_PORT',), 'torchrun')
        return Place(rank, size, local, environment.get('MASTER_ADDR', '127.0.0.1'), port)
    if launcher == 'slurm':
        variables = ('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID', 'SLURM_JOB_ID')
        rank, size, local, job = _numbers(environment, variables, 'srun (tools/slurm_train.sh)')
        nodes = environment.get('SLURM_STEP_NODELIST') or environment.get('SLURM_JOB_NODELIST') or 'localhost'
        address = environment.get('MASTER_ADDR') or expand_hosts(nodes)[0]
        step = int(environment.get('SLURM_STEP_ID', '0'))
        return Place(rank, size, local, address, _port(environment, job * 31 + step))
    if launcher == 'mpi':
        mpi = ('OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE', 'OMPI_COMM_WORLD_LOCAL_RANK')
        rank, size, local = _numbers(environment, mpi, 'mpirun of Open MPI')
        if 'MASTER_ADDR' not in environment and size != int(environment.get('OMPI_COMM_WORLD_LOCAL_SIZE', size)):
            raise ConfigError('--launcher mpi on several machines needs MASTER_ADDR', 'mpirun -x MASTER_ADDR=HOST …')
        return Place(rank, size, local, environment.get('MASTER_ADDR', '127.0.0.1'), _port(environment, os.getppid()))
    raise ConfigError(f'--launcher is {launcher!r}', f'use one of {", ".join(LAUNCHERS)}')


def _numbers(environment: Mapping[str, str], names: tuple[str, ...], starter: str) -> list[int]:
    for name in names:
        if not environment.get(name, '').isdigit():
            raise ConfigError(
                f'the variable {name} is {environment.get(name, "not set")}', f'start the processes with {starter}'
            )
    return [int(environment[name]) for name in names]


def _port(environment: Mapping[str, str], number: int) -> int:
    return int(environment.get('MASTER_PORT') or FIRST_PORT + number % PORTS)


def launch(launcher: str, environment: MutableMapping[str, str] = os.environ) -> None:
    """Join the other processes; NCCL where there are GPUs, gloo otherwise. Nothing for 'none'.

    Raises:
        ConfigError: See :func:`find_place`; or fewer GPUs than processes on this machine, or the port is taken.
    """
    if launcher == 'none':
        return
    place = find_place(launcher, environment)
    cuda = torch.cuda.is_available()
    if cuda:
        if place.local_rank >= torch.cuda.device_count():
            raise ConfigError(
                f'this is process {place.local_rank + 1} on a machine with {torch.cuda.device_count()} GPUs',
                'start as many processes as there are GPUs, or hide them: CUDA_VISIBLE_DEVICES=',
            )
        torch.cuda.set_device(place.local_rank)
    # mmengine and torch look these up by name
    environment.update(
        RANK=str(place.rank),
        WORLD_SIZE=str(place.world_size),
        LOCAL_RANK=str(place.local_rank),
        MASTER_ADDR=place.address,
        MASTER_PORT=str(place.port),
    )
    try:
        distributed.init_process_group('nccl' if cuda else 'gloo', timeout=PATIENCE)
    except (distributed.DistNetworkError, distributed.DistStoreError) as error:
        raise ConfigError(
            f'rank {place.rank} of {place.world_size} cannot meet the others at {place.address}:{place.port}: {error}',
            'set MASTER_ADDR and MASTER_PORT to a machine and a free port that all ranks can reach',
        ) from error


def model_wrapper() -> dict[str, object]:
    """How a model is wrapped for several processes; mmengine's own way names a GPU even where there is none."""
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else None
    return {'type': 'MMDistributedDataParallel', 'device_ids': devices, 'broadcast_buffers': False}
