"""The grammar of HTTP, each rule once, with its RFC section beside it: patterns, and small functions of text.

No decisions, no statuses, no limits: what is wrong is a ValueError, None or left out, as each docstring says, and the
caller answers for it.

    tokens.py      tokens, quoted strings, controls
    lists.py       the members of a list, the parameters of a member
    weights.py     lists whose members have weights, such as Accept
    dates.py       HTTP dates
    urlencoded.py  forms and queries
    messages.py    request lines, field lines, chunks: the patterns of this package's parsers

Every pattern takes time linear in its input: a repeat is over one character class, and what follows it cannot begin
with a character of that class, or it is possessive, so that no input makes the matcher try a second way. (Possessive
groups are avoided: Python before 3.11.5 matched them wrongly, gh-106052.)
"""

from __future__ import annotations

from .dates import DAYS, MONTHS, http_date, parse_http_date
from .lists import AUTH_PARAMETER, PARAMETER, media_type, members, parameters, split_list, token_list
from .messages import (
    CHUNK_EXTENSION,
    CHUNK_LINE,
    CODING,
    FIELD_LINE,
    FIELD_LINES,
    FIELD_VALUE,
    HOST,
    NOT_IN_REQUEST_LINE,
    PLAIN_CHUNK_LINE,
    SEGMENTS,
    TEXT,
    VERSION,
    VERSIONS_SERVED,
)
from .tokens import CONTROL, CTL, QUOTED_STRING, TOKEN, TOKEN68, extended_value, quoted, unquoted
from .urlencoded import BAD_ESCAPE, urlencoded_pairs
from .weights import weigh

__all__ = [
    "AUTH_PARAMETER",
    "BAD_ESCAPE",
    "CHUNK_EXTENSION",
    "CHUNK_LINE",
    "CODING",
    "CONTROL",
    "CTL",
    "DAYS",
    "FIELD_LINE",
    "FIELD_LINES",
    "FIELD_VALUE",
    "HOST",
    "MONTHS",
    "NOT_IN_REQUEST_LINE",
    "PARAMETER",
    "PLAIN_CHUNK_LINE",
    "QUOTED_STRING",
    "SEGMENTS",
    "TEXT",
    "TOKEN",
    "TOKEN68",
    "VERSION",
    "VERSIONS_SERVED",
    "extended_value",
    "http_date",
    "media_type",
    "members",
    "parameters",
    "parse_http_date",
    "quoted",
    "split_list",
    "token_list",
    "unquoted",
    "urlencoded_pairs",
    "weigh",
]
