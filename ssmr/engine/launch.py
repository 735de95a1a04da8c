"""Starting one of several processes: who it is, where the first one listens, which backend carries the data.

mmengine's own start-up needs a GPU and asks ``scontrol`` for names. A process group that exists when the runner is
built is used as it is, so this comes first.
"""

from __future__ import annotations

import atexit
import datetime
import os
import re
import zlib
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass

import torch
from torch import distributed
from torch.distributed.distributed_c10d import _set_pg_timeout  # for gloo and NCCL alike; torch has no public name

from ssmr.engine.hostlist import expand_hosts
from ssmr.errors import ConfigError

LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')
#: Where jobs of Slurm and MPI meet unless MASTER_PORT says so: a port by the job's number, below the ephemeral ones.
FIRST_PORT, PORTS = 12000, 18000
#: So many neighbouring steps of a job, or jobs of a cluster, have ports of their own.
STEPS = 31
#: For all ranks to appear and to reach each other.
MEETING = datetime.timedelta(minutes=5)
#: Once they have met, a rank may have to wait for another that extracts features or reads a large table.
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
    """Read the place of this process from what its launcher has set; MASTER_ADDR and MASTER_PORT decide where given.

    Args:
        launcher: 'pytorch' (torchrun), 'slurm' (srun) or 'mpi' (Open MPI).
        environment: The variables of the process.

    Raises:
        ConfigError: The launcher is unknown, or a variable that it sets is missing or no number.
    """
    places = {'pytorch': _of_torchrun, 'slurm': _of_slurm, 'mpi': _of_mpi}
    if launcher not in places:
        raise ConfigError(f'--launcher is {launcher!r}', f'use one of {", ".join(LAUNCHERS)}')
    return places[launcher](environment)


def _of_torchrun(environment: Mapping[str, str]) -> Place:
    names = ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_PORT')
    rank, size, local, port = _numbers(environment, names, 'torchrun (tools/dist_train.sh)')
    return Place(rank, size, local, environment.get('MASTER_ADDR', '127.0.0.1'), port)


def _of_slurm(environment: Mapping[str, str]) -> Place:
    """Of a step: a batch script or a shell of salloc has the variables of the job, but is no rank of anything."""
    names = ('SLURM_JOB_ID', 'SLURM_STEP_ID', 'SLURM_STEP_NUM_TASKS', 'SLURM_PROCID', 'SLURM_LOCALID')
    job, step, size, rank, local = _numbers(environment, names, 'srun (tools/slurm_train.sh)')
    address = '127.0.0.1'  # the names of nodes need not be known to a resolver, but where they are needed
    if environment.get('SLURM_STEP_NUM_NODES') != '1':
        nodes = environment.get('SLURM_STEP_NODELIST') or environment.get('SLURM_JOB_NODELIST') or 'localhost'
        address = expand_hosts(nodes)[0]
    reserved = re.match(r'\d+', environment.get('SLURM_STEP_RESV_PORTS', ''))  # of srun --resv-ports: 15000-15001,…
    port = int(reserved[0]) if reserved else FIRST_PORT + (job * STEPS + step) % PORTS
    return Place(rank, size, local, environment.get('MASTER_ADDR') or address, _chosen_port(environment) or port)


def _of_mpi(environment: Mapping[str, str]) -> Place:
    starter, prefix = 'mpirun of Open MPI', 'OMPI_COMM_WORLD_'
    names = (f'{prefix}RANK', f'{prefix}SIZE', f'{prefix}LOCAL_RANK', f'{prefix}LOCAL_SIZE')
    rank, size, local, here = _numbers(environment, names, starter)
    address, port = environment.get('MASTER_ADDR', '127.0.0.1'), _chosen_port(environment)
    if size != here and 'MASTER_ADDR' not in environment:
        raise ConfigError('--launcher mpi on several machines needs MASTER_ADDR', 'mpirun -x MASTER_ADDR=HOST …')
    if port is None:
        job = environment.get('PMIX_NAMESPACE') or environment.get('OMPI_MCA_ess_base_jobid')  # the same for all ranks
        if job is None:
            raise ConfigError('neither MASTER_PORT nor PMIX_NAMESPACE is set', 'mpirun -x MASTER_PORT=29500 …')
        port = FIRST_PORT + zlib.crc32(job.encode()) % PORTS
    return Place(rank, size, local, address, port)


def _numbers(environment: Mapping[str, str], names: tuple[str, ...], starter: str) -> list[int]:
    for name in names:
        if not environment.get(name, '').isdecimal():
            raise ConfigError(
                f'the variable {name} is {environment.get(name, "not set")}', f'start the processes with {starter}'
            )
    return [int(environment[name]) for name in names]


def _chosen_port(environment: Mapping[str, str]) -> int | None:
    return _numbers(environment, ('MASTER_PORT',), 'a number there')[0] if environment.get('MASTER_PORT') else None


def launch(launcher: str, environment: MutableMapping[str, str] = os.environ) -> None:
    """Join the other processes; NCCL where there are GPUs, gloo otherwise. Nothing for 'none' or a single process.

    Raises:
        ConfigError: See :func:`find_place`; or fewer GPUs than processes on this machine, or the ranks do not meet.
    """
    if launcher == 'none':
        return
    place = find_place(launcher, environment)
    if torch.cuda.is_available():
        torch.cuda.set_device(_gpu(place.local_rank, torch.cuda.device_count(), launcher))
    # mmengine and torch look these up by name
    environment.update(
        RANK=str(place.rank),
        WORLD_SIZE=str(place.world_size),
        LOCAL_RANK=str(place.local_rank),
        MASTER_ADDR=place.address,
        MASTER_PORT=str(place.port),
    )
    if place.world_size > 1:
        for library in ('OMP_NUM_THREADS', 'MKL_NUM_THREADS'):  # as mmengine does later, with a warning for each rank
            environment.setdefault(library, environment.get('OMP_NUM_THREADS', '1'))
        _meet(place)


def _gpu(local_rank: int, count: int, launcher: str) -> int:
    """The number of the GPU to use, among those that this process sees."""
    if count == 1 and launcher == 'slurm':  # srun --gpus-per-task=1 shows each task its own
        return 0
    if local_rank >= count:
        raise ConfigError(
            f'this is process {local_rank + 1} on a machine with {count} GPUs',
            'start as many processes as there are GPUs, or hide them: CUDA_VISIBLE_DEVICES=',
        )
    return local_rank


def _meet(place: Place) -> None:
    """Start the process group, with little patience until everybody is there and much afterwards."""
    backend = 'nccl' if torch.cuda.is_available() else 'gloo'
    try:
        # torch's own way would wait for a missing rank as long as for a slow one; this one knows torchrun's store too
        store, rank, size = next(distributed.rendezvous('env://', timeout=MEETING))
        distributed.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=MEETING)
    except RuntimeError as error:  # torch has kinds for its store only; gloo's are plain
        raise ConfigError(
            f'rank {place.rank} of {place.world_size} cannot meet the others at {place.address}:{place.port}: '
            f'{str(error).splitlines()[0]}',
            'look why another rank did not start; or set MASTER_ADDR and MASTER_PORT to a machine and a free port '
            'that all ranks can reach',
        ) from error
    store.set_timeout(PATIENCE)
    _set_pg_timeout(PATIENCE)
    if backend == 'gloo':  # else its threads now and then abort the process at its very end; NCCL's end may wait
        atexit.register(distributed.destroy_process_group)
