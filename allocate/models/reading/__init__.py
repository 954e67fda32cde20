"""How an answer is read: each layer finds its own blocks in it and says what they mean.

A solver sees a program; this package alone knows which of its streams, activities and rows
are whose, and turns levels, flows and duals back into models, lanes, caches and assets.
"""

from allocate.models.reading.reading import Reading as Reading
from allocate.models.reading.seen import sentence as sentence
