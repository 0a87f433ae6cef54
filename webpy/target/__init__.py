"""TARGET: reading its words (`spec`), loading it (`target`), and finding out what it is (`kind`).
"""

from __future__ import annotations

__all__: list[str] = []
