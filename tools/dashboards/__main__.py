"""Write every dashboard as JSON; the output is kept in the repository, and a test holds it to this script."""

from pathlib import Path

from tools.dashboards.every import every

FOLDER = Path(__file__).parents[2] / "deploy" / "grafana" / "dashboards"


def main() -> None:
    """Write them all."""
    for name, text in every().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
