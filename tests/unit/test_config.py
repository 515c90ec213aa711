"""The configuration: from the environment alone, once, and errors name the variable to change."""

import os
from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from counter.config import PREFIX, Settings, describe
from counter.errors import ConfigError

SECRET = "hunter2"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the machine that runs the tests."""
    for name in list(os.environ):
        if name.upper().startswith(PREFIX):
            monkeypatch.delenv(name)


def test_defaults():
    """Without a variable the service listens on loopback alone, believes no proxy and shows no demo."""
    settings = Settings.load()
    assert (settings.host, settings.port) == ("127.0.0.1", 8080)
    assert (settings.admin_host, settings.admin_port) == ("127.0.0.1", 8081)
    assert settings.trusted_proxies == ()
    assert settings.demo is False
    assert settings.data_dir == Path("var")
    assert settings.rollup_seconds == 10
    assert settings.snapshot_milliseconds <= 1000


def test_environment(monkeypatch):
    """A variable sets its value, whatever its type."""
    monkeypatch.setenv("COUNTER_PORT", "9000")
    monkeypatch.setenv("COUNTER_DEMO", "1")
    monkeypatch.setenv("COUNTER_DATA_DIR", "/srv/counter")
    monkeypatch.setenv("COUNTER_REDIS_URL", "redis://valkey:6379/1")
    monkeypatch.setenv("COUNTER_TRUSTED_PROXIES", " 10.0.0.0/8, fd00::/8 ,192.0.2.1,")
    settings = Settings.load()
    assert (settings.port, settings.demo, settings.data_dir) == (9000, True, Path("/srv/counter"))
    assert settings.redis_url.get_secret_value() == "redis://valkey:6379/1"
    assert settings.trusted_proxies == tuple(map(ip_network, ("10.0.0.0/8", "fd00::/8", "192.0.2.1/32")))


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_may_come_from_a_file(name, monkeypatch, tmp_path):
    """Each variable may also name a file that holds the value, as container secrets do."""
    values = {
        "port": "9000",
        "admin_port": "9001",
        "trusted_proxies": "10.0.0.0/8",
        "forwarding_header": "Forwarded",
        "demo": "true",
        "log_level": "ERROR",
        "host": "0.0.0.0",
        "admin_host": "::1",
        "data_dir": "/srv",
        "redis_url": "redis://r",
        "database_url": "postgresql://p",
        "public_url": "https://count.example",
        "script_path": "/x/y.js",
        "api_path": "/x/",
        "trace_parents": "anybody",
    }
    value = values.get(name, "7")
    (tmp_path / "value").write_text(f"{value}\n", encoding="utf-8")
    monkeypatch.setenv(f"COUNTER_{name.upper()}_FILE", str(tmp_path / "value"))
    from_file = getattr(Settings.load(), name)
    monkeypatch.delenv(f"COUNTER_{name.upper()}_FILE")
    monkeypatch.setenv(f"COUNTER_{name.upper()}", value)
    assert from_file == getattr(Settings.load(), name)
    assert from_file != Settings.model_fields[name].default


def test_order_of_sources(monkeypatch, tmp_path):
    """An argument counts before the variable, and the variable before its file."""
    (tmp_path / "port").write_text("9001", encoding="utf-8")
    monkeypatch.setenv("COUNTER_PORT_FILE", str(tmp_path / "port"))
    assert Settings.load().port == 9001
    monkeypatch.setenv("COUNTER_PORT", "9002")
    assert Settings.load().port == 9002
    assert Settings.load(port=9003).port == 9003


def test_only_the_environment_counts(monkeypatch, tmp_path):
    """A stray `.env` file beside the program changes nothing."""
    (tmp_path / ".env").write_text("COUNTER_PORT=9000\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert Settings.load().port == 8080


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("COUNTER_PORT", "http"),
        ("COUNTER_PORT", "65536"),
        ("COUNTER_PORT", ""),
        ("COUNTER_ADMIN_PORT", "-1"),
        ("COUNTER_LANES", "0"),
        ("COUNTER_BATCH_HITS", "2001"),
        ("COUNTER_ROLLUP_SECONDS", "0"),
        ("COUNTER_REDIS_TIMEOUT_SECONDS", "nan"),
        ("COUNTER_SNAPSHOT_MILLISECONDS", "-1"),
        ("COUNTER_DEMO", "perhaps"),
        ("COUNTER_LOG_LEVEL", "LOUD"),
        ("COUNTER_TRUSTED_PROXIES", "10.0.0.1/8"),
        ("COUNTER_TRUSTED_PROXIES", "10.0.0.0/8;10.1.0.0/16"),
    ],
)
def test_wrong_value_names_its_variable(variable, value, monkeypatch):
    """A wrong value is one line that names the variable to change."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=f"^{variable}: [^\n]+$"):
        Settings.load()


def test_every_wrong_value_is_named(monkeypatch):
    """Two wrong values are told at once, each by its variable."""
    monkeypatch.setenv("COUNTER_PORT", "x")
    monkeypatch.setenv("COUNTER_LANES", "x")
    with pytest.raises(ConfigError, match=r"COUNTER_PORT: .*; COUNTER_LANES: "):
        Settings.load()


def test_file_that_cannot_be_read(monkeypatch, tmp_path):
    """A file that is missing, a folder or no text is one line that names the variable."""
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "missing", tmp_path, tmp_path / "binary"):
        monkeypatch.setenv("COUNTER_REDIS_URL_FILE", str(path))
        with pytest.raises(ConfigError, match=r"^COUNTER_REDIS_URL_FILE: [^\n]+$"):
            Settings.load()


def test_secrets_are_not_shown(monkeypatch):
    """The addresses with their passwords are in no representation of the settings."""
    monkeypatch.setenv("COUNTER_REDIS_URL", f"redis://:{SECRET}@valkey")
    monkeypatch.setenv("COUNTER_DATABASE_URL", f"postgresql://counter:{SECRET}@postgres/counter")
    settings = Settings.load()
    for shown in (repr(settings), str(settings), settings.model_dump_json(), repr(settings.model_dump())):
        assert SECRET not in shown
    assert SECRET in settings.redis_url.get_secret_value()
    secret = {name for name, field in Settings.model_fields.items() if isinstance(field.default, SecretStr)}
    assert secret == {"redis_url", "database_url"}


def test_settings_cannot_be_changed():
    """What was read once stays as it is."""
    with pytest.raises(ValidationError, match="frozen"):
        Settings.load().port = 1  # type: ignore[misc]


def test_description_lists_every_setting(here):
    """The table of the documentation is the one made from the code, and has a meaning for each setting."""
    table = describe()
    for name, field in Settings.model_fields.items():
        assert field.description
        assert f"| `COUNTER_{name.upper()}` |" in table
        assert field.description in table
    assert len(table.splitlines()) == len(Settings.model_fields) + 2
    assert all(line.count("|") == 4 for line in table.splitlines())
    assert table in (here / "docs" / "configuration.md").read_text(encoding="utf-8")
