"""The serving layer: lanes of own deployments, their speeds, batches, KV memory and caches.

Every way to serve a request is linear in it (``curves/lane.py``): a deployment at a speed
tier, or a prefill and a decode deployment at one tier each, with a retention tier for the
prefix and, where classes share a prefix, with or without the resident copy.
"""

from allocate.models.lanes import lanes as lanes
from allocate.models.lanes import refined as refined
from allocate.models.lanes import speeds as speeds
from allocate.models.serving.deadlines import needed as needed
from allocate.models.serving.decoders import decoders as decoders
from allocate.models.serving.gpus import gpu_rows as gpu_rows
from allocate.models.serving.tiers import Tier as Tier
from allocate.models.serving.tiers import tiers as tiers
from allocate.models.serving.ways import Way as Way
from allocate.models.serving.ways import prompt_shares as prompt_shares
from allocate.models.serving.ways import uncached_shares as uncached_shares
from allocate.models.serving.ways import ways as ways
