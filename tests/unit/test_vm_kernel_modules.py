"""The modules of a guest: all that are wanted, after what they need, from any kind of package."""

import lzma

import pytest

from sessions.runtimes.vm.kernel_modules import modules
from sessions.runtimes.vm.packages import PackagesError


def put(folder, name, depends=""):
    """A module that names what it depends on, as the kernel's build does."""
    path = folder / "kernel" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    data = b"\x7fELF\0license=GPL\0depends=" + depends.encode() + b"\0name=x\0"
    path.write_bytes(lzma.compress(data) if name.endswith(".xz") else data)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "modules.builtin").write_text("kernel/fs/ext4/ext4.ko\nkernel/lib/crc16.ko\n")
    put(tmp_path, "drivers/virtio/virtio.ko")
    put(tmp_path, "drivers/virtio/virtio_ring.ko", "virtio")
    put(tmp_path, "drivers/virtio/virtio_pci.ko", "virtio_ring,virtio")
    put(tmp_path, "drivers/char/virtio-rng.ko.xz", "virtio-ring,crc16")
    return tmp_path


def order(found):
    return [module.name for module in found]


def test_a_module_comes_after_what_it_depends_on_and_once(folder):
    found = order(modules(folder, ["virtio_rng", "virtio_pci", "virtio"]))
    assert found == ["virtio.ko", "virtio_ring.ko", "virtio_rng.ko", "virtio_pci.ko"]


def test_what_is_built_in_is_not_loaded(folder):
    assert modules(folder, ["ext4"]) == []


def test_a_compressed_module_is_unpacked(folder):
    assert modules(folder, ["virtio_rng"])[-1].data.startswith(b"\x7fELF")


def test_a_module_that_is_nowhere_is_complained_of(folder):
    with pytest.raises(PackagesError, match="no module overlay"):
        modules(folder, ["virtio", "overlay"])
