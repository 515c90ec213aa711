"""The example for Caddy, judged by Caddy."""

from tests.deploy.running import must


def test_caddyfile_is_understood(here, system):
    """Caddy itself takes the file."""
    said = must(
        system("caddy"), "adapt", "--validate", "--adapter", "caddyfile", "--config", here / "deploy/caddy/Caddyfile",
        env={"COUNTER_DOMAIN": "counter.example", "HOME": "/nonexistent", "XDG_DATA_HOME": "/tmp", "XDG_CONFIG_HOME": "/tmp"},
    )  # fmt: skip
    assert '"dial":"127.0.0.1:8080"' in said.replace(" ", "")
