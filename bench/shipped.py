"""`python -m bench.shipped …`: runs `counter` without the packages that only its extras and its tests need."""

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import Final

from counter.__main__ import main

NOT_SHIPPED: Final = ("opentelemetry", "psutil")


class _Missing(MetaPathFinder):
    def find_spec(self, name: str, *_others: object) -> ModuleSpec | None:
        if name.partition(".")[0] in NOT_SHIPPED:
            raise ModuleNotFoundError(name=name)
        return None


if __name__ == "__main__":
    sys.meta_path.insert(0, _Missing())
    main()
