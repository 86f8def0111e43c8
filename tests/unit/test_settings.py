"""Settings: options over the environment, the environment over the file, the file over none."""

from pathlib import Path

import msgspec
import pytest

from sessions.settings import REDACTED, SECRET_FIELDS, Settings, SettingsError, load


def toml(tmp_path, text):
    path = tmp_path / "sessiond.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def test_with_nothing_set_the_defaults_hold():
    assert load({}, {}) == Settings()
    assert load({"port": None, "config": None}, {"SESSIOND_PORT": ""}) == Settings()


def test_each_source_weighs_more_than_the_one_before(tmp_path):
    config = toml(tmp_path, 'port = 1\nhost = "file"\ndata = "file"\n')
    environ = {"SESSIOND_PORT": "2", "SESSIOND_HOST": "environment"}
    chosen = load({"config": config, "port": "3"}, environ)
    assert (chosen.port, chosen.host, chosen.data) == (3, "environment", "file")
    assert chosen.log_level == "info"


def test_what_has_parts_is_a_table_in_the_file(tmp_path):
    config = toml(tmp_path, '[wave_api_titles]\ncss = "CSS"\n"a b" = "A"\n')
    assert load({"config": config}, {}).wave_api_titles == {"css": "CSS", "a b": "A"}
    environ = {"SESSIOND_WAVE_API_TITLES": '{"dom": "DOM"}'}
    assert load({"config": config}, environ).wave_api_titles == {"dom": "DOM"}
    with pytest.raises(SettingsError, match="wave_api_titles"):
        load({"config": toml(tmp_path, "[wave_api_titles]\ncss = 1")}, {})


def test_the_file_may_be_named_in_the_environment(tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    environ = {"SESSIOND_CONFIG": toml(tmp_path, "port = 1")}
    assert load({}, environ).port == 1
    assert load({"config": toml(other, "port = 2")}, environ).port == 2


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("port", "0", 0),
        ("port", "65535", 65_535),
        ("wave_open", "true", True),
        ("wave_open", "0", False),
        ("heartbeat_s", "1.5", 1.5),
        ("drain_s", "0", 0),
        ("observers_max", "0", 0),
        ("browser_allow", "10.0.0.0/8, lab:8080 [::1]:80", "10.0.0.0/8, lab:8080 [::1]:80"),
        ("public_url", "https://example.org", "https://example.org"),
        ("admin_key", "12345", "12345"),
        ("wave_api_titles", '{"css": "CSS, é"}', {"css": "CSS, é"}),
        ("wave_api_titles", "{}", {}),
    ],
)
def test_a_variable_is_read_as_what_the_setting_is(name, text, value):
    chosen = load({}, {f"SESSIOND_{name.upper()}": text})
    assert getattr(chosen, name) == value


BAD = [
    ("port", "-1"),
    ("port", "65536"),
    ("port", "http"),
    ("port", "80.5"),
    ("body_bytes_max", "1023"),
    ("append_queue_max", "0"),
    ("observer_buffer_bytes_max", "4095"),
    ("observers_max", "-1"),
    ("heartbeat_s", "0"),
    ("heartbeat_s", "nan"),
    ("heads_interval_s", "0"),
    ("heads_interval_s", "nan"),
    ("heads_every", "0"),
    ("wait_s_max", "3601"),
    ("wave_poll_s", "3601"),
    ("wait_s_max", "inf"),
    ("drain_s", "-0.1"),
    ("drain_s", "61"),
    ("browser_allow", "10.0.0.1/8"),
    ("browser_allow", "127.0.0.0/8, http://lab"),
    ("browser_allow", "lab:0"),
    ("log_level", "loud"),
    ("log_format", "xml"),
    ("wave_open", "perhaps"),
    ("https_port", "-1"),
    ("https_port", "65536"),
    ("https_port", "8443"),
    ("tls_cert", "cert.pem"),
    ("tls_key", "key.pem"),
    ("wave_api_titles", "css=CSS"),
    ("wave_api_titles", "{"),
    ("wave_api_titles", "[]"),
    ("wave_api_titles", "1"),
    ("wave_api_titles", '{"css": 1}'),
    ("wave_api_titles", "x" * 5000),
    ("wave_api_titles", "[" * 5000),
]


@pytest.mark.parametrize(("name", "text"), BAD)
def test_a_value_out_of_range_is_refused_in_one_line_that_names_it(name, text):
    for options, environ in (({name: text}, {}), ({}, {f"SESSIOND_{name.upper()}": text})):
        with pytest.raises(SettingsError) as refusal:
            load(options, environ)
        assert name in str(refusal.value)
        assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("absent", ["https_port", "tls_cert", "tls_key"])
def test_tls_is_given_whole_or_not_at_all(absent):
    given = {"https_port": "8443", "tls_cert": "cert.pem", "tls_key": "key.pem"}
    assert load(given, {}).https_port == 8443
    with pytest.raises(SettingsError, match=f"{absent} is missing"):
        load(given | {absent: None}, {})


def test_an_unknown_setting_is_refused_in_one_line_that_names_it(tmp_path):
    for options in ({"colour": "red"}, {"config": toml(tmp_path, 'colour = "red"')}):
        with pytest.raises(SettingsError, match="unknown field `colour`"):
            load(options, {})


@pytest.mark.parametrize("text", ["port = ", "port = 1\nport = 2", b'host = "\xff"', b"\x00"])
def test_a_file_that_is_not_toml_is_refused_by_name(tmp_path, text):
    with pytest.raises(SettingsError, match=r"sessiond\.toml"):
        load({"config": toml(tmp_path, text)}, {})


def test_a_file_that_cannot_be_read_is_refused_by_name(tmp_path):
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(SettingsError, match=path.name):
            load({"config": str(path)}, {})


def test_a_refusal_does_not_tell_the_secret(tmp_path):
    config = toml(tmp_path, 'admin_key = ["the-secret"]')
    with pytest.raises(SettingsError) as refusal:
        load({"config": config}, {})
    assert "admin_key" in str(refusal.value)
    assert "the-secret" not in str(refusal.value)


def test_what_is_printed_has_every_setting_and_no_secret():
    chosen = Settings(admin_key="the-secret", port=1)
    printed = chosen.redacted()
    assert printed.keys() == set(Settings.__struct_fields__)
    assert printed["admin_key"] == REDACTED
    assert printed["port"] == 1
    assert "the-secret" not in msgspec.json.encode(printed).decode()
    assert Settings().redacted()["admin_key"] is None
    assert set(Settings.__struct_fields__) >= SECRET_FIELDS


def test_a_home_folder_may_be_written_short(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    assert str(Settings(data="~/sessions").folder) == "/home/somebody/sessions"
    assert str(Settings(heads="~/heads").heads_folder) == "/home/somebody/heads"


def test_the_heads_are_with_the_data_unless_told_otherwise():
    assert Settings(data="/data").heads_folder == Path("/data/heads")
    assert Settings(data="/data", heads="/witness").heads_folder == Path("/witness")
