"""The ids of MongoDB's rows: known where its driver is, and no reason to import it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from bson import ObjectId

from caching.object_ids import is_object_id, object_id

_TEXT = "507f1f77bcf86cd799439011"


def test_an_object_id_is_told_from_what_looks_like_one() -> None:
    assert is_object_id(ObjectId(_TEXT))
    assert not any(is_object_id(each) for each in (_TEXT, bytes.fromhex(_TEXT), 5, None))


def test_its_text_makes_it_again() -> None:
    assert object_id(_TEXT) == object_id(_TEXT.upper()) == ObjectId(_TEXT)


@pytest.mark.parametrize("text", ["", "5", _TEXT[1:], _TEXT + "0", "z" * 24, _TEXT + "\n"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no ObjectId"):
        object_id(text)


def test_without_the_driver_there_are_none_and_nothing_breaks() -> None:
    program = (
        "import sys; sys.modules['bson'] = None\n"
        "from caching.object_ids import is_object_id, object_id\n"
        "assert not is_object_id('5')\n"
        f"try: object_id('{_TEXT}')\n"
        "except ValueError as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert said.stdout == "There are no ObjectIds without pymongo.\n"
