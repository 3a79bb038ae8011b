"""Pieces of work in threads of their own."""

from __future__ import annotations

import threading

import pytest
import torch

from webui.checkpoints.lora.side_by_side import for_each


@pytest.mark.usefixtures("three_threads")
def test_each_piece_is_done_once_by_threads_that_compute_by_themselves():
    done, meet = list[tuple[int, int, str]](), threading.Barrier(3, timeout=60)

    def work(piece: int) -> None:
        meet.wait()  # which only three at once get past
        done.append((piece, torch.get_num_threads(), threading.current_thread().name))

    for_each(range(6), work, lambda: None, several=True)
    assert sorted(piece for piece, _, _ in done) == list(range(6))
    assert {count for _, count, _ in done} == {1}
    assert threading.current_thread().name not in {name for *_, name in done}
    assert torch.get_num_threads() == 3
    seen: list[int] = []
    later = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert seen == [3]


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize("several", [True, False])
def test_an_error_ends_it_once_nothing_is_being_done_any_more(several: bool):
    begun, ended = set[int](), set[int]()

    def work(piece: int) -> None:
        begun.add(piece)
        try:
            if piece == 4:
                raise ValueError("four")
        finally:
            ended.add(piece)

    with pytest.raises(ValueError, match="four"):
        for_each(range(100), work, lambda: None, several=several)
    assert begun == ended


@pytest.mark.usefixtures("three_threads")
def test_what_is_asked_between_ends_it_too():
    asked = iter([None, None, KeyError("enough")])

    def check() -> None:
        if (error := next(asked)) is not None:
            raise error

    with pytest.raises(KeyError, match="enough"):
        for_each(range(3), lambda piece: None, check, several=True)
