"""A package unpacked for a guest: where Debian means it to be, without rights, and nowhere else."""

import io
import os
import tarfile

import pytest

from sessions.runtimes.vm.guest_tree import unpack
from sessions.runtimes.vm.packages import PackagesError
from sessions.runtimes.vm.programs import path_of

pytestmark = pytest.mark.skipif(path_of("dpkg-deb") is None, reason="packages need dpkg-deb")


def member(name, data=b"", kind=tarfile.REGTYPE, mode=0o644, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.linkname, info.size = kind, mode, target, len(data)
    return info, data


def tar(*members):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return packed.getvalue()


@pytest.fixture
def unpacked(tmp_path):
    """Unpacks a package with these members into a tree with a merged /usr; the tree."""
    root = tmp_path / "root"
    (root / "usr" / "bin").mkdir(parents=True)
    (root / "usr" / "lib").mkdir()
    (root / "bin").symlink_to("usr/bin")
    (root / "lib").symlink_to("usr/lib")

    def run(*members):
        control = tar(member("./control", b"Package: x\nVersion: 1\nArchitecture: all\n"))
        parts = {"debian-binary": b"2.0\n", "control.tar.gz": control, "data.tar.gz": tar(*members)}
        deb = b"!<arch>\n"
        for name, data in parts.items():
            deb += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode()
            deb += data + b"\n" * (len(data) % 2)
        (tmp_path / "x.deb").write_bytes(deb)
        unpack(tmp_path / "x.deb", root)
        return root

    return run


def names(root):
    found = {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}
    return found - {"bin", "lib"}


def test_old_places_are_those_in_usr(unpacked):
    root = unpacked(
        member("./", kind=tarfile.DIRTYPE),
        member("./bin/", kind=tarfile.DIRTYPE),
        member("./bin/tool", b"1", mode=0o755),
        member("./usr/bin/other", b"2", mode=0o755),
        member("./lib/module.so", b"3"),
    )
    assert names(root) == {"usr/bin/tool", "usr/bin/other", "usr/lib/module.so"}
    assert (root / "bin").is_symlink()


def test_a_package_that_links_the_old_places_itself_changes_nothing(unpacked):
    root = unpacked(
        member("./bin", kind=tarfile.SYMTYPE, target="usr/bin"),
        member("./usr/bin/tool", b"1", mode=0o755),
    )
    assert (root / "bin" / "tool").read_bytes() == b"1"


def test_no_file_lends_rights_or_can_be_written_by_others(unpacked):
    root = unpacked(
        member("./usr/bin/su", b"", mode=0o4755),
        member("./usr/lib/open", b"", mode=0o666),
        member("./usr/lib/closed", b"", mode=0o600),
    )
    modes = {name: (root / name).stat().st_mode & 0o7777 for name in names(root)}
    assert modes == {"usr/bin/su": 0o755, "usr/lib/open": 0o644, "usr/lib/closed": 0o644}


def test_links_are_kept_and_a_second_name_is_a_copy(unpacked):
    root = unpacked(
        member("./usr/bin/python3.11", b"py", mode=0o755),
        member("./usr/bin/python3", kind=tarfile.SYMTYPE, target="python3.11"),
        member("./bin/py", kind=tarfile.LNKTYPE, mode=0o755, target="./usr/bin/python3.11"),
        member("./etc/mtab", kind=tarfile.SYMTYPE, target="/proc/mounts"),
    )
    assert (root / "usr/bin/python3").readlink().name == "python3.11"
    assert (root / "usr/bin/py").read_bytes() == b"py"
    assert str((root / "etc/mtab").readlink()) == "/proc/mounts"


def test_what_nobody_reads_in_a_guest_and_devices_are_left_out(unpacked):
    root = unpacked(
        member("./usr/share/doc/x/", kind=tarfile.DIRTYPE),
        member("./usr/share/doc/x/copyright", b"c"),
        member("./usr/share/man/man1/x.1", b"m"),
        member("./usr/share/documents", b"kept"),
        member("./dev/null", kind=tarfile.CHRTYPE),
    )
    assert names(root) == {"usr/share/documents"}


def test_a_name_that_leads_out_is_refused(unpacked, tmp_path):
    with pytest.raises(PackagesError, match="holds the name"):
        unpacked(member("../outside", b"x"))
    assert not (tmp_path / "outside").exists()


def test_a_link_that_leads_out_is_not_followed(unpacked, tmp_path):
    (tmp_path / "outside").mkdir()
    with pytest.raises(PackagesError, match="behind a link that leads out"):
        unpacked(
            member("./opt", kind=tarfile.SYMTYPE, target=str(tmp_path / "outside")),
            member("./opt/file", b"x"),
        )
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_file_takes_the_place_of_a_link_and_not_of_what_it_names(unpacked, tmp_path):
    (tmp_path / "victim").write_bytes(b"mine")
    root = unpacked(
        member("./etc/x", kind=tarfile.SYMTYPE, target=str(tmp_path / "victim")),
        member("./etc/x", b"theirs"),
    )
    assert (tmp_path / "victim").read_bytes() == b"mine"
    assert (root / "etc/x").read_bytes() == b"theirs"


def test_a_package_that_is_cut_off_is_refused(unpacked, tmp_path):
    unpacked(member("./usr/bin/tool", os.urandom(100_000)))
    deb = tmp_path / "x.deb"
    deb.write_bytes(deb.read_bytes()[:50_000])
    with pytest.raises(PackagesError, match="cannot be unpacked"):
        unpack(deb, tmp_path / "root")
