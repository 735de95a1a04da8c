"""How much of its connections the downloader uses, against one connection that fetches file after file.

A server in a process of its own answers each request after a fixed latency, as one far away would. Ours fetches with N
connections, decodes every file and keeps its journal; the sequential loop (http.client, one connection that is kept
open, as curl would) only writes files. N connections could at best be N times as fast: that is the limit. The aim is
half of it. The rate limit and the cap for one host, which real hosts are owed, are lifted.
"""

from __future__ import annotations

import argparse
import http.client
import io
import multiprocessing
import shutil
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

AIM = 0.5
#: Width and height of the pictures; with the quality below, a file has about 60 KB.
SIZE, QUALITY = (480, 360), 92


def pictures(n: int) -> dict[str, bytes]:
    """n JPEGs of their own; name -> bytes."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    files = {}
    for i in range(n):
        coarse = Image.fromarray(rng.integers(0, 256, (SIZE[1] // 8, SIZE[0] // 8, 3), dtype=np.uint8))
        file = io.BytesIO()
        coarse.resize(SIZE, Image.Resampling.BICUBIC).save(file, 'JPEG', quality=QUALITY)
        files[f'{i}.jpg'] = file.getvalue()
    return files


def serve(files: dict[str, bytes], latency: float, ready: Connection) -> None:
    """Serve ``files`` below /images/ until the process is ended; tells its port."""
    import asyncio

    from aiohttp import web

    async def image(request: web.Request) -> web.Response:
        await asyncio.sleep(latency)
        return web.Response(body=files[request.match_info['name']], content_type='image/jpeg')

    async def run() -> None:
        app = web.Application()
        app.router.add_get('/images/{name}', image)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, '127.0.0.1', 0)
        await site.start()
        ready.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(run())


def sequential(port: int, names: list[str], folder: Path) -> float:
    """Seconds to fetch all, one after another."""
    start = time.perf_counter()
    folder.mkdir(parents=True)
    connection = http.client.HTTPConnection('127.0.0.1', port)
    for name in names:
        connection.request('GET', f'/images/{name}')
        (folder / name).write_bytes(connection.getresponse().read())
    connection.close()
    return time.perf_counter() - start


def ours(port: int, names: list[str], root: Path, connections: int) -> float:
    """Seconds to fetch all with ssmr."""
    from ssmr.preparation.download import download
    from ssmr.preparation.image_list import Work
    from ssmr.preparation.settings import Settings

    works = [Work(name, f'http://127.0.0.1:{port}/images/{name}') for name in names]
    start = time.perf_counter()
    download('benchmark', root, works, Settings(connections, per_host=connections, rate=1e5))
    return time.perf_counter() - start


def equal(folder: Path, files: dict[str, bytes]) -> bool:
    """Whether a folder holds the files, byte for byte, and nothing else."""
    return {path.name: path.read_bytes() for path in folder.iterdir()} == files


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--files', type=int, default=2000, help='default: 2000')
    parser.add_argument('--latency', type=float, default=0.05, help="of the server's answers, in s (default: 0.05)")
    parser.add_argument('--connections', type=int, default=16, help='N (default: 16)')
    parser.add_argument('--runs', type=int, default=3, help='pairs of runs (default: 3)')
    args = parser.parse_args()
    from record import HEADER, record

    files = pictures(args.files)
    near, far = multiprocessing.Pipe()
    process = multiprocessing.get_context('spawn').Process(target=serve, args=(files, args.latency, far), daemon=True)
    process.start()
    port = near.recv()
    folder = Path(tempfile.mkdtemp())
    ours_s, sequential_s, same = [], [], True
    try:
        ours(port, [*files][: 4 * args.connections], folder / 'warm', args.connections)
        for run in range(args.runs):
            ours_s.append(ours(port, [*files], folder / f'ours{run}', args.connections))
            sequential_s.append(sequential(port, [*files], folder / f'sequential{run}' / 'images'))
            same &= all(equal(folder / f'{who}{run}' / 'images', files) for who in ('ours', 'sequential'))
    finally:
        process.terminate()
        shutil.rmtree(folder)
    limit = sorted(sequential_s)[len(sequential_s) // 2] / args.connections
    met = same and limit / sorted(ours_s)[len(ours_s) // 2] >= AIM
    size = sum(map(len, files.values())) / len(files) / 1000
    work = f'{args.files} JPEGs of {size:.0f} KB, {args.latency * 1000:g} ms a request, {args.connections} connections'
    peers = {'sequential (http.client)': sequential_s}
    print(HEADER)
    print(record('download', work, ours_s, peers, limit, same, met, ['ssmr', 'aiohttp', 'pillow']))


if __name__ == '__main__':
    main()
