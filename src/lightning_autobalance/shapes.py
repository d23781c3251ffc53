"""Names of tensor shapes in signatures.

Dimensions: ``m`` loss terms, ``n`` parameters, ``b`` points, ``d`` coordinates, ``k`` fields, ``r`` rows: the values of
all residuals. Tests check the shapes at
run time (``--jaxtyping-packages``); otherwise the names have no effect.
"""

from typing import TypeAlias

from jaxtyping import Float
from torch import Tensor

Scalar: TypeAlias = Float[Tensor, ""]
Points: TypeAlias = Float[Tensor, "b d"]  # one row per collocation point, one column per coordinate
Fields: TypeAlias = Float[Tensor, "b k"]  # one row per point, one column per field of the solution
PointValues: TypeAlias = Float[Tensor, " b"]  # one number per point
Residual: TypeAlias = Float[Tensor, "b *k"]  # (b,) or (b, k)
Losses: TypeAlias = Float[Tensor, " m"]  # one value per loss term, in the order of the terms' names
Jacobian: TypeAlias = Float[Tensor, "m n"]  # row i is the gradient of loss term i
Gradient: TypeAlias = Float[Tensor, " n"]
Gramian: TypeAlias = Float[Tensor, "m m"]
Param: TypeAlias = Float[Tensor, "*shape"]
ParamJac: TypeAlias = Float[Tensor, "m *shape"]  # the Jacobian block of one parameter
JacBlock: TypeAlias = Float[Tensor, "m ..."]  # a Jacobian block in a list of blocks of different shapes
Rows: TypeAlias = Float[Tensor, " r"]  # one value per row
RowMatrix: TypeAlias = Float[Tensor, "r n"]  # row j is the gradient of the j-th residual value
Square: TypeAlias = Float[Tensor, "n n"]  # parameters by parameters, such as a Hessian
Matrix: TypeAlias = Float[Tensor, "r c"]  # a weight matrix
