"""What a run says about the machine it ran on."""

import os
import platform

import django

from benchmarks import machine
from benchmarks.machine import machine_describe
from benchmarks.place import Place


def test_it_names_processor_versions_and_server():
    with Place() as place:
        found = machine_describe(place)

    assert found.cpu
    assert found.cores == len(os.sched_getaffinity(0))
    assert found.python == platform.python_version()
    assert found.django == django.__version__
    assert found.redis_server.startswith(("Valkey ", "Redis "))
    assert found.packages["django-redis"]


def test_peers_are_those_of_the_requirements_that_are_installed(monkeypatch, tmp_path):
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("# rich is no peer\nmsgspec[extra]>=1\nno-such-thing.cache>=2\n")
    monkeypatch.setattr(machine, "_REQUIREMENTS", requirements)
    monkeypatch.setattr(machine, "_ALSO", ("Django",))

    with Place() as place:
        assert list(machine_describe(place).packages) == ["Django", "msgspec"]


def test_the_processor_is_named_as_linux_names_it(monkeypatch, tmp_path):
    told = tmp_path / "cpuinfo"
    told.write_text("processor\t: 0\nmodel name\t: Analytical Engine\nprocessor\t: 1\nmodel name\t: Another\n")
    monkeypatch.setattr(machine, "_CPUINFO", told)

    with Place() as place:
        assert machine_describe(place).cpu == "Analytical Engine"
