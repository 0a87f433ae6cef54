"""What the Renewer does when: the clock, the directory and the other servers are ours."""

from __future__ import annotations

import datetime
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from webpy.acme.failures import Failure, OrderError
from webpy.acme.folder import Folder
from webpy.acme.keys import make_key, self_signed
from webpy.acme.renewing import Renewer, Shell
from webpy.acme.state import State

NAMES = ("example.org",)
DAY_S = 86400.0  # the certificates below are valid for 30 days and 1 hour
BEGAN = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


class World:
    """A clock, a directory that gives what the test says, and a log."""

    def __init__(self, folder: Path) -> None:
        self.now_s = BEGAN.timestamp()
        self.terms = "https://example.org/terms"
        self.answers: list[OrderError | Exception] = []
        self.orders = self.handed_over = 0
        self.log: list[str] = []
        self.folder = folder

    def order(self, names: Sequence[str]) -> bytes:
        self.orders += 1
        if self.answers:
            raise self.answers.pop(0)
        return self_signed(names, datetime.datetime.fromtimestamp(self.now_s, datetime.UTC))

    def hand_over(self) -> None:
        self.handed_over += 1

    def renewer(self, names: Sequence[str] = NAMES) -> Renewer:
        shell = Shell(
            say=lambda level, text: self.log.append(f"{level}: {text}"),
            hand_over=self.hand_over,
            find_orders=lambda _key: self,
            now_s=lambda: self.now_s,
            chance=lambda: 0.5,
        )
        state = State(Folder(str(self.folder), "acme"), names)
        return Renewer(state, names, "https://ca/dir", shell)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_certificate_is_ordered_once_and_renewed_at_two_thirds(world: World) -> None:
    renewer = world.renewer()
    due_s = renewer.step()
    assert (world.orders, world.handed_over) == (1, 1)
    assert due_s - world.now_s == pytest.approx(2 / 3 * 30 * DAY_S, rel=0.01)
    world.now_s = due_s - 1
    assert renewer.step() == due_s
    assert world.orders == 1
    world.now_s = due_s
    assert renewer.step() > due_s
    assert (world.orders, world.handed_over) == (2, 2)
    assert [line.partition(" for")[0] for line in world.log] == [
        "info: acme: ordering a certificate",
        "info: acme: new certificate",
    ] * 2
    assert "by --acme you agree to https://example.org/terms" in world.log[-1]


def test_a_new_process_goes_on_with_the_certificate_in_the_files(world: World) -> None:
    due_s = world.renewer().step()
    assert world.renewer().step() == due_s
    assert world.orders == 1


def test_other_names_are_another_order(world: World) -> None:
    world.renewer().step()
    world.renewer(("example.org", "www.example.org")).step()
    world.renewer().step()
    assert world.orders == 2


def test_a_damaged_certificate_is_ordered_again(world: World) -> None:
    world.renewer().step()
    (file,) = (world.folder / "acme").glob("example.org-*.pem")
    file.write_bytes(make_key())
    world.renewer().step()
    assert world.orders == 2
    assert sum("is damaged" in line for line in world.log) == 1


def test_pauses_grow_and_a_success_ends_them(world: World) -> None:
    world.answers = [OrderError(Failure.REFUSED, "no"), OrderError(Failure.REFUSED, "no")]
    renewer = world.renewer()
    pauses = []
    while not world.handed_over:
        due_s = renewer.step()
        pauses.append(due_s - world.now_s)
        orders = world.orders
        if not world.handed_over:
            world.now_s = due_s - 1  # a look at the clock in between orders nothing
            renewer.step()
            assert world.orders == orders
            world.now_s = due_s
    assert pauses[:2] == pytest.approx([132.0, 264.0])
    failures = [line for line in world.log if line.startswith("error")]
    assert failures[0] == (
        "error: acme: no certificate from https://ca/dir: no; https goes on with the certificate that it has;"
        " trying again in 2 min"
    )
    assert len(failures) == 2


def test_a_restart_tries_again_after_two_minutes_at_most(world: World) -> None:
    world.answers = [OrderError(Failure.REFUSED, "no")] * 5
    renewer = world.renewer()
    for _ in range(5):
        world.now_s = renewer.step()
    world.now_s -= 119  # the last pause was of half an hour, and has just begun for this process
    failed_s = float((world.folder / "acme").glob("*.pause").__next__().read_text())
    world.now_s = failed_s - 1
    assert world.renewer().step() == failed_s
    assert world.orders == 5
    assert "an order failed before: the next begins at" in world.log[-1]
    world.now_s = failed_s
    world.renewer().step()
    assert world.orders == 6


def test_what_the_directory_asks_for_outlives_a_restart(world: World) -> None:
    world.answers = [OrderError(Failure.LIMITED, "too many", retry_after_s=5000.0)]
    due_s = world.renewer().step()
    assert due_s - world.now_s >= 5000.0
    world.now_s = due_s - 1
    assert world.renewer().step() == due_s
    assert world.orders == 1


def test_a_pause_of_a_wrong_clock_does_not_count(world: World) -> None:
    now_s, world.now_s = world.now_s, world.now_s + 4000 * DAY_S
    world.answers = [OrderError(Failure.REFUSED, "no")]
    renewer = world.renewer()
    renewer.step()
    world.now_s = now_s
    renewer.step()
    assert world.orders == 2


def test_a_fault_of_ours_is_logged_and_ends_nothing(world: World) -> None:
    world.answers = [ZeroDivisionError("ours")]
    assert world.renewer().step() > world.now_s
    assert "ZeroDivisionError" in world.log[-2]
    assert "trying again" in world.log[-1]


def test_a_full_disk_orders_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_folder: Folder) -> None:
        raise OSError(28, "No space left on device")

    renewer = world.renewer()
    with monkeypatch.context() as patch:
        patch.setattr(Folder, "check_room", full)
        due_s = renewer.step()
    assert world.orders == 0
    assert "cannot be used: No space left on device" in world.log[-1]
    world.now_s = due_s
    renewer.step()
    assert world.handed_over == 1


def test_of_two_servers_one_orders(world: World) -> None:
    """The second waits for the lock, and then finds the certificate."""
    first, second = world.renewer(), world.renewer()
    waiting = threading.Event()
    found: list[float] = []

    def other() -> None:
        waiting.set()
        found.append(second.step())

    thread = threading.Thread(target=other)
    with State(Folder(str(world.folder), "acme"), NAMES).locked():
        thread.start()
        assert waiting.wait(10)
        assert not found
    thread.join(10)
    first.step()
    assert (world.orders, len(found)) == (1, 1)


def test_a_valid_certificate_is_named_when_its_renewal_fails(world: World) -> None:
    renewer = world.renewer()
    world.now_s = renewer.step()
    world.answers = [OrderError(Failure.UNREACHABLE, "it cannot be reached: Connection refused")]
    renewer.step()
    assert "; the certificate in use is valid until 2026-01-31" in world.log[-1]
    assert world.log[-1].endswith("trying again in 2 s")


def test_a_removed_folder_is_made_again(world: World) -> None:
    renewer = world.renewer()
    due_s = renewer.step()
    shutil.rmtree(world.folder / "acme")
    world.now_s = due_s
    world.now_s = renewer.step()
    assert "No such file or directory" in world.log[-1]
    renewer.step()
    assert world.handed_over == 2
