"""Tools about the content of requests and responses: encodings, compression, JSON, files.

`encoding` has the tools `encode` and `decode`, `gzipping` has `gzip`, `flattening` has `flatten`, `jsontools` has
`json_in` and `json_out`, `static` has `staticdir` and `staticfile`; `sending` has `serve_file` and its relatives.
"""

from __future__ import annotations

__all__: list[str] = []
