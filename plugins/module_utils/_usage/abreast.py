# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask many endpoints by several processes, where the processor and not the network is what they wait for.

For the control node: a host asks its few endpoints with ``client`` alone. This file is private to the collection.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import RemoteError
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import client

if t.TYPE_CHECKING:
    import ssl

LEAST = 64  # endpoints for which a further process is worth its start
_AHEAD = 128  # endpoints that a process may be ahead of who appends: it goes on asking while a batch is written
_MOST = 4  # processes; one that appends what they bring can follow no more
_Results = t.Iterator[tuple[int, client.Answers]]


def stream(
    endpoints: t.Sequence[t.Mapping[str, t.Any]],
    months: t.Sequence[str],
    limits: client.Limits,
    concurrency: int,
    context: t.Optional[ssl.SSLContext] = None,
) -> _Results:
    """As ``client.stream``; ``concurrency`` is shared by the processes.

    :raises InputError: a URL is none; at once. RemoteError: a process was ended from outside.
    """
    width = min(os.cpu_count() or 1, _MOST, len(endpoints) // LEAST, concurrency)
    if width < 2:
        return client.stream(endpoints, months, limits, concurrency, context)
    return _abreast(client.asker(endpoints, months, limits, context), len(endpoints), width, -(-concurrency // width))


def _abreast(ask: client.Ask, count: int, width: int, threads: int) -> _Results:
    # Forked, not begun anew: nothing then needs to be sent but numbers and answers, and TLS settings could not be.
    forking = multiprocessing.get_context("fork")
    workers: dict[t.Any, t.Any] = {}
    try:
        for _number in range(width):
            ours, theirs = forking.Pipe()
            worker = forking.Process(target=_work, args=(theirs, [ours, *workers], ask, threads), daemon=True)
            worker.start()
            theirs.close()
            workers[ours] = worker
        yield from _collect(list(workers), count)
    finally:
        for pipe, worker in workers.items():
            pipe.close()
            worker.terminate()
            worker.join()


def _collect(pipes: t.Sequence[t.Any], count: int) -> _Results:
    """Hand out numbers, some ahead to each process, and take what comes back; who takes the answers slowly gets fewer asked."""
    waiting = iter(range(count))
    asked = dict.fromkeys(pipes, 0)  # numbers that are out

    def give(pipe: t.Any) -> None:
        index = next(waiting, None)
        if index is not None:
            pipe.send(index)
            asked[pipe] += 1

    try:
        for _number in range(_AHEAD):
            for pipe in pipes:
                give(pipe)
        while any(asked.values()):
            for ready in t.cast("list[t.Any]", multiprocessing.connection.wait([pipe for pipe in pipes if asked[pipe]])):
                result = ready.recv()
                asked[ready] -= 1
                give(ready)
                yield result
    except (EOFError, ConnectionError) as exc:
        raise RemoteError("harvest", "a process that asked endpoints was ended from outside", "what was read is appended; run it again") from exc


def _work(pipe: t.Any, others: t.Sequence[t.Any], ask: client.Ask, threads: int) -> None:
    for other in others:
        other.close()  # else a parent that is gone would never be noticed
    try:
        for result in client.spread(ask, iter(pipe.recv, None), threads, _AHEAD):
            pipe.send(result)
    except (EOFError, ConnectionError):
        return  # nobody takes them any more
