"""Every test here may have used an SDK."""

from tests.leftovers import collected

__all__ = ["collected"]
