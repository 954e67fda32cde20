"""The curves of the program, each written once (``docs/program.md``, section 4)."""

from allocate.models.curves.capability import ScalingLaw as ScalingLaw
from allocate.models.curves.effort import Effort as Effort
from allocate.models.curves.effort import of_multiple as of_multiple
from allocate.models.curves.lane import Lane as Lane
from allocate.models.curves.lane import speed_grid as speed_grid
from allocate.models.curves.request import RequestCurve as RequestCurve
from allocate.models.curves.response import Response as Response
from allocate.models.curves.reuse import Reuse as Reuse
from allocate.models.curves.risk import ResidualRisk as ResidualRisk
from allocate.models.curves.risk import TailRisk as TailRisk
from allocate.models.curves.success import Constant as Constant
from allocate.models.curves.success import Linear as Linear
from allocate.models.curves.success import PowerLaw as PowerLaw
from allocate.models.curves.success import Saturating as Saturating
from allocate.models.curves.success import SuccessCurve as SuccessCurve
from allocate.models.curves.success import Table as Table
from allocate.models.curves.variance import Cost as Cost
from allocate.models.curves.variance import RatioCost as RatioCost
from allocate.models.curves.variance import Ray as Ray
from allocate.models.curves.variance import SquareCost as SquareCost
from allocate.models.curves.variance import Tangent as Tangent
