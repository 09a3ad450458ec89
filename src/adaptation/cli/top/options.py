"""The options of `top`, the same here and on a server."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

AsJson = Annotated[bool, Parameter(name="--json")]
Interval = Annotated[float, Parameter(validator=Number(gte=0.1, lte=3600))]
