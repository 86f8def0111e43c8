"""Templates are built once, found again, and never used damaged; the boot is a script here."""

import asyncio
import gc
import os

import pytest

from sessions.runtimes.vm.argv import BASE_MB, Shape
from sessions.runtimes.vm.image import Image
from sessions.runtimes.vm.manifest import Manifest
from sessions.runtimes.vm.port import MachineFailed
from sessions.runtimes.vm.templates import Templates

SHAPE = Shape(acceleration="tcg", vcpu_count=2)


def descriptors():
    """How many descriptors are open, those of forgotten things of other tests left out."""
    gc.collect()
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - the listing itself is a descriptor


class Boots:
    """Boots that leave a word in the memory and in the state."""

    def __init__(self):
        self.count = 0
        self.fails = False

    async def __call__(self, image, shape, memory, state):
        self.count += 1
        await asyncio.sleep(0.01)
        if self.fails:
            raise MachineFailed("no boot")
        os.pwrite(memory, b"memory", 5 << 20)
        os.write(state, b"state%d" % self.count)


@pytest.fixture
def boots():
    return Boots()


@pytest.fixture
def image(tmp_path):
    manifest = Manifest(builder="", guest={}, packages=[], kernel="", files={})
    return Image(tmp_path, manifest.key, manifest)


@pytest.fixture
def make(tmp_path, boots):
    """A service's templates; each call is another service with the same cache."""
    made = []

    def service(version="7.2"):
        made.append(Templates(tmp_path / "cache", version, boots, lambda _: None))
        return made[-1]

    yield service
    for templates in made:
        templates.close()


async def test_a_template_is_built_once_for_all_who_want_it(make, boots, image):
    first, second = make(), make()
    found = await asyncio.gather(*(each.get(image, SHAPE) for each in (first, second) * 5))
    assert boots.count == 1
    for template in found:
        assert os.pread(template.memory, 6, 5 << 20) == b"memory"
        assert os.fstat(template.memory).st_size == BASE_MB << 20
        assert os.pread(template.state, 99, 0) == b"state1"
        for fd in (template.memory, template.state):
            with pytest.raises(PermissionError):
                os.pwrite(fd, b"x", 0)
    assert len({id(template) for template in found}) == 2


async def test_each_shape_and_each_qemu_has_its_own(make, boots, image):
    await make().get(image, SHAPE)
    await make().get(image, Shape(acceleration="tcg", vcpu_count=4))
    await make(version="8.0").get(image, SHAPE)
    assert boots.count == 3


async def test_those_unused_for_longest_make_room(make, boots, image, tmp_path, monkeypatch):
    monkeypatch.setattr("sessions.runtimes.vm.templates._TEMPLATES_MAX", 2)
    folder = tmp_path / "cache" / "templates"
    for age, version in enumerate(("7.2", "8.0", "9.0")):
        await make(version=version).get(image, SHAPE)
        for manifest in folder.glob("*/snap2.json"):
            os.utime(manifest, (manifest.stat().st_mtime - 10 - age,) * 2)
    assert len(list(folder.iterdir())) == 2
    await make(version="9.0").get(image, SHAPE)
    assert boots.count == 3
    await make(version="7.2").get(image, SHAPE)
    assert boots.count == 4


@pytest.mark.parametrize("suffix", ["mem", "state", "json"])
@pytest.mark.parametrize("damage", ["flipped", "cut", "gone", "another's"])
async def test_a_damaged_one_is_built_again(make, boots, image, tmp_path, suffix, damage):
    await make().get(image, SHAPE)
    (path,) = (tmp_path / "cache" / "templates").glob(f"*/snap2.{suffix}")
    match damage:
        case "flipped":
            with path.open("rb+") as file:
                file.seek(5 << 20 if suffix == "mem" else path.stat().st_size // 2)
                file.write(b"?")
        case "cut":
            os.truncate(path, path.stat().st_size // 3)
        case "gone":
            path.unlink()
        case _:
            path.write_bytes(b"something else")
    before = descriptors()
    template = await make().get(image, SHAPE)
    assert boots.count == 2
    assert os.pread(template.state, 99, 0) == b"state2"
    assert descriptors() == before + 2
    await make().get(image, SHAPE)
    assert boots.count == 2


async def test_a_boot_that_fails_leaves_nothing_and_is_tried_again(make, boots, image, tmp_path):
    boots.fails = True
    templates = make()
    before = descriptors()
    for _ in range(2):
        with pytest.raises(MachineFailed, match="no boot"):
            await templates.get(image, SHAPE)
    assert descriptors() == before
    assert not list((tmp_path / "cache" / "templates").glob("*/snap*"))
    boots.fails = False
    await templates.get(image, SHAPE)
    assert boots.count == 3


async def test_who_no_longer_waits_does_not_stop_the_others(make, boots, image):
    templates = make()
    impatient = asyncio.create_task(templates.get(image, SHAPE))
    patient = asyncio.create_task(templates.get(image, SHAPE))
    await asyncio.sleep(0.005)
    impatient.cancel()
    template = await patient
    assert os.pread(template.memory, 6, 5 << 20) == b"memory"
