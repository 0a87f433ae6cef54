"""Options with a new name: what is set or overridden under the old one counts, with a warning that names the new."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.server import Server
from webpy.framework.renaming import RenamedOptions


class Base(RenamedOptions):
    renamed_options = {"colour": "paint_colour", "mix": "paint_mix"}  # noqa: RUF012

    paint_colour: Any = "red"

    def paint_mix(self) -> str:
        return "base"


def test_new_names_need_no_word(recwarn: pytest.WarningsRecorder) -> None:
    class New(Base):
        paint_colour = "blue"

        def paint_mix(self) -> str:
            return "new " + super().paint_mix()

    assert (New.paint_colour, New().paint_mix()) == ("blue", "new base") and not recwarn


def test_what_is_set_under_the_old_name_counts() -> None:
    with pytest.warns(DeprecationWarning, match=r"Old\.colour is deprecated: paint_colour is its name now") as caught:

        class Old(Base):
            colour = "blue"

    assert len(caught) == 1 and caught[0].filename == __file__
    assert Old.paint_colour == Old().paint_colour == "blue"

    class Younger(Old):
        paint_colour = "green"

    with pytest.warns(DeprecationWarning, match=r"Younger\.colour is deprecated: paint_colour") as caught:
        assert Younger().colour == "green"  # type: ignore[attr-defined]
    assert len(caught) == 1 and caught[0].filename == __file__
    with pytest.warns(DeprecationWarning):
        assert Younger.colour == "green"  # type: ignore[attr-defined]
    made = Younger()
    with pytest.warns(DeprecationWarning):
        made.colour = "black"  # type: ignore[attr-defined]
    assert made.paint_colour == "black" and Younger.paint_colour == "green"


def test_a_property_under_the_old_name() -> None:
    with pytest.warns(DeprecationWarning):

        class Old(Base):
            @property
            def colour(self) -> str:
                return "of the instance"

    assert Old().paint_colour == "of the instance"


def test_a_plain_class_beside_it() -> None:
    class Settings:
        colour = "blue"

        def mix(self) -> str:
            return "plain"

    with pytest.warns(DeprecationWarning, match=r"Settings\.(colour|mix) is deprecated"):
        made: Any = type("Made", (Settings, Base), {})
    assert (made.paint_colour, made().paint_mix()) == ("blue", "plain")

    class NewSettings:
        paint_colour = "blue"

    made = type("Made", (NewSettings, Base), {})
    with pytest.warns(DeprecationWarning):
        assert made().colour == "blue"


def test_methods_find_those_of_their_bases_under_either_name() -> None:
    with pytest.warns(DeprecationWarning, match=r"Old\.mix is deprecated: paint_mix"):

        class Old(Base):
            def mix(self) -> str:
                return "old " + super().mix()  # type: ignore[misc]

    class Newer(Old):
        def paint_mix(self) -> str:
            return "newer " + super().paint_mix()

    with pytest.warns(DeprecationWarning):

        class Newest(Newer):
            def mix(self) -> str:
                return "newest " + super().mix()  # type: ignore[misc]

    with pytest.warns(DeprecationWarning, match=r"Newest\.mix is deprecated"):
        assert Newest().paint_mix() == "newest newer old base"
    with pytest.warns(DeprecationWarning):
        assert Newest().mix() == "newest newer old base"
    with pytest.warns(DeprecationWarning):
        assert Newer().mix() == "newer old base"  # type: ignore[no-untyped-call]


def test_one_that_sets_both_runs_on_both_versions() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        class Both(Base):
            colour = "old"
            paint_colour = "new"

    assert Both.paint_colour == "new"


def test_options_of_several_features() -> None:
    class Other(RenamedOptions):
        renamed_options = {"size": "brush_size"}  # noqa: RUF012
        brush_size = 1

    with pytest.warns(DeprecationWarning) as caught:

        class Made(Other, Base):
            size = 2
            colour = "blue"

    assert len(caught) == 2 and (Made.brush_size, Made.paint_colour) == (2, "blue")


def test_the_server_says_it_once_in_its_log(serve: Callable[..., Server], tmp_path: Path) -> None:
    (tmp_path / "old.py").write_text(
        "import webpy.page\n\nclass Old(webpy.page.PageHandler):\n    template = 'page'\n\nroutes = {'/': Old}\n"
    )
    server = serve(tmp_path / "old.py", "--workers", "2")
    assert [server.get("/").body for _ in range(4)] == [b"page"] * 4
    server.wait_for(r"old\.py:3: DeprecationWarning: Old\.template is deprecated: page_template is its name now")
    assert server.stop() == 0
    assert len([line for line in server.errors if "is deprecated" in line]) == 1
