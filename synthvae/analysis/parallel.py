"""Work on many sounds, a part on each core.

PyTorch shares out single operations, and its threads wait busily for the next: with tensors of a few megabytes, and
Python between them, two threads take longer than one. So each thread takes a part of its own and shares nothing out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

__all__ = ["on_threads"]

Part = TypeVar("Part")
Result = TypeVar("Result")


def on_threads(function: Callable[[Part], Result], parts: Iterable[Part]) -> Iterator[Result]:
    """Apply a function to parts on as many threads as PyTorch uses.

    Args:
        function: of one part, independent of the others; may itself call this, and is then on one thread.
        parts: of what is to be done.

    Yields:
        What the function gives, in the order of the parts.

    Raises:
        BaseException: what the function raises for the first part that fails; what has not begun is left.
    """
    threads = torch.get_num_threads()
    if threads == 1:
        yield from map(function, parts)
        return
    pool = ThreadPoolExecutor(threads, "synthvae-analysis", torch.set_num_threads, (1,))
    begun: deque[Future[Result]] = deque()
    try:
        for part in parts:
            begun.append(pool.submit(function, part))
            if len(begun) > 2 * threads:  # the parts may be sounds that are rendered as they are asked for
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # also what threads begin with that come later
