"""The packages of a guest: what apt prints, what a folder holds, and what is refused."""

import hashlib
import subprocess

import pytest

from sessions.runtimes.vm.packages import (
    Apt,
    Package,
    PackagesError,
    from_folder,
    parse_uris,
)

NEEDED = ("bash", "busybox-static", "libc6", "python3-minimal", "linux-image-6.1.0-1-cloud-amd64")


def line(name, version="1.0", sha256="ab" * 32):
    quoted = version.replace(":", "%3a")
    return f"'http://deb.example/{name}.deb' {name}_{quoted}_amd64.deb 1234 SHA256:{sha256}\n"


def printed(*names):
    return "".join(map(line, names))


def test_apt_names_packages_with_version_and_digest():
    found = parse_uris(printed(*NEEDED) + line("zlib1g", "1:1.2.13", "cd" * 32))
    assert Package("zlib1g", "1:1.2.13", "cd" * 32) in found
    assert [package.name for package in found] == sorted([*NEEDED, "zlib1g"])


def test_what_only_installs_others_is_left_out():
    found = parse_uris(printed(*NEEDED, "dpkg", "mawk"))
    assert [package.name for package in found] == sorted(NEEDED)


def test_a_package_that_is_named_twice_is_there_once():
    assert parse_uris(printed(*NEEDED) * 2) == parse_uris(printed(*NEEDED))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (printed(*NEEDED[1:]), "needs the package bash"),
        (printed(*NEEDED[:-1]), "one kernel package, and there are 0"),
        (printed(*NEEDED, "linux-image-6.2.0-cloud-amd64"), "and there are 2"),
        (printed(*NEEDED) + line("bash", "2.0"), "two versions"),
        (printed(*NEEDED) + "E: something\n", "not understood: E: something"),
        ("'http://deb.example/a.deb' a_1_amd64.deb 12 MD5Sum:00\n", "not understood"),
    ],
)
def test_what_makes_no_guest_is_refused(text, complaint):
    with pytest.raises(PackagesError, match=complaint):
        parse_uris(text)


def make_package(folder, name, version="1:2.0"):
    """A real package of that name with nothing in it."""
    tree = folder / f"{name}.tree" / "DEBIAN"
    tree.mkdir(parents=True)
    fields = {"Package": name, "Version": version, "Architecture": "all", "Description": "none"}
    fields["Maintainer"] = "nobody <nobody@example.org>"
    tree.joinpath("control").write_text("".join(f"{key}: {fields[key]}\n" for key in fields))
    made = folder / f"{name}.deb"
    build = ["dpkg-deb", "--root-owner-group", "-Zgzip", "--build", str(tree.parent), str(made)]
    subprocess.run(build, check=True, capture_output=True)
    return made


def test_a_folder_of_packages_says_what_they_are(tmp_path):
    made = {name: make_package(tmp_path, name) for name in NEEDED}
    held = from_folder(tmp_path)
    assert [each.package.name for each in held] == sorted(NEEDED)
    for each in held:
        assert each.file == made[each.package.name]
        assert each.package.version == "1:2.0"
        assert each.package.sha256 == hashlib.sha256(each.file.read_bytes()).hexdigest()


def test_a_folder_without_packages_makes_no_guest(tmp_path):
    with pytest.raises(PackagesError, match="needs the package bash"):
        from_folder(tmp_path)


def test_a_file_that_only_looks_like_a_package_is_refused(tmp_path):
    (tmp_path / "bash.deb").write_bytes(b"!<arch>\nno package")
    with pytest.raises(PackagesError, match="dpkg-deb"):
        from_folder(tmp_path)


@pytest.fixture
def apt(tmp_path, monkeypatch):
    """An apt whose archive is the folder `archive`; its lists are old until they are updated."""
    archive = tmp_path / "archive"
    archive.mkdir()
    uris = ""
    for name in NEEDED:
        made = make_package(archive, name)
        uris += line(name, "1:2.0", hashlib.sha256(made.read_bytes()).hexdigest())
    (tmp_path / "uris").write_text(uris)
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "apt-get").write_text(APT_GET.format(here=tmp_path))
    (programs / "apt-cache").write_text(APT_CACHE.format(here=tmp_path))
    for program in programs.iterdir():
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    return tmp_path


APT_GET = """#!/bin/sh
echo "apt-get $*" >>{here}/asked
case "$*" in
*update*) exit $(cat {here}/update-code 2>/dev/null || echo 0) ;;
*--print-uris*) cat {here}/uris ;;
*download*)
    if ! test -e {here}/fresh && ! echo "$*" | grep -q State::lists; then
        echo "E: 404" >&2
        exit 100
    fi
    for word in "$@"; do
        case "$word" in *=1:2.0) cp "{here}/archive/${{word%%=*}}.deb" . ;; esac
    done ;;
esac
"""
APT_CACHE = """#!/bin/sh
echo "  Depends: linux-image-6.1.0-1-cloud-amd64"
"""


def asked(folder):
    return [text.split() for text in (folder / "asked").read_text().splitlines()]


def downloads(folder):
    """How often packages were really asked for."""
    return sum("download" in words and "--print-uris" not in words for words in asked(folder))


def test_packages_are_fetched_once_and_old_ones_leave(apt):
    (apt / "fresh").touch()
    kept = apt / "kept"
    kept.mkdir()
    make_package(apt, "obsolete").replace(kept / "obsolete.deb")
    packages = Apt(apt / "work").resolve()
    held = Apt(apt / "work1").fetch(packages, kept)
    assert [each.package for each in held] == packages
    assert set(kept.iterdir()) == {each.file for each in held}
    assert Apt(apt / "work2").fetch(packages, kept) == held
    assert downloads(apt) == 1


def test_a_package_that_was_damaged_is_fetched_again(apt):
    (apt / "fresh").touch()
    found = Apt(apt / "work")
    packages = found.resolve()
    held = found.fetch(packages, apt / "kept")
    held[0].file.write_bytes(held[0].file.read_bytes()[:-1])
    assert Apt(apt / "work2").fetch(packages, apt / "kept") == held
    assert hashlib.sha256(held[0].file.read_bytes()).hexdigest() == held[0].package.sha256
    assert downloads(apt) == 2


def test_lists_that_are_out_of_date_are_made_anew_beside_the_hosts(apt):
    found = Apt(apt / "work")
    packages = found.resolve()
    held = found.fetch(packages, apt / "kept")
    assert [each.package for each in held] == packages
    updates = [words for words in asked(apt) if "update" in words]
    assert len(updates) == 1
    assert f"Dir::State::lists={apt / 'work' / 'apt-lists'}" in updates[0]


def test_a_download_of_something_else_is_refused(apt):
    (apt / "fresh").touch()
    packages = Apt(apt / "work").resolve()
    make_package(apt / "archive" / "bash.tree", "bash", "1:2.0-other")
    (apt / "archive" / "bash.tree" / "bash.deb").replace(apt / "archive" / "bash.deb")
    with pytest.raises(PackagesError, match="another bash than it had named"):
        Apt(apt / "work2").fetch(packages, apt / "kept")


def test_old_packages_stay_until_all_new_ones_are_there(apt):
    (apt / "update-code").write_text("100")
    kept = apt / "kept"
    kept.mkdir()
    make_package(apt, "obsolete").replace(kept / "obsolete.deb")
    found = Apt(apt / "work")
    with pytest.raises(PackagesError):
        found.fetch(found.resolve(), kept)
    assert [file.name for file in kept.iterdir()] == ["obsolete.deb"]


def test_without_an_archive_it_says_what_apt_says(apt):
    (apt / "update-code").write_text("100")
    found = Apt(apt / "work")
    with pytest.raises(PackagesError, match="apt-get failed with 100"):
        found.fetch(found.resolve(), apt / "kept")
