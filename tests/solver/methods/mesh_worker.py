"""One process of a solve that is spread over devices: prints what it found as JSON.

Usage: mesh_worker.py DEVICES [PROCESSES RANK PORT]
"""

from __future__ import annotations

import json
import sys

import jax


def set_up() -> None:
    """Devices and processes: before anything else uses JAX."""
    jax.config.update("jax_num_cpu_devices", int(sys.argv[1]))
    if len(sys.argv) > 2:
        processes, rank, port = map(int, sys.argv[2:5])
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        jax.distributed.initialize(f"127.0.0.1:{port}", processes, rank)


def main() -> None:
    """Look at one drawn stream, cold and warm, and solve a crowd."""
    set_up()
    from allocate.models.loader import load_dict
    from allocate.models.stack import build
    from allocate.solver.methods import crowd
    from allocate.solver.methods.choices import Market
    from allocate.solver.methods.pass_jax import JaxLooker
    from allocate.solver.methods.prices import solve_prices
    from allocate.solver.methods.start import first_prices
    from benchmarks.families import FAMILIES
    from benchmarks.instances import draw

    loaded = load_dict(draw(300, 3, ("api", "gpu", "uses", "tenants", "humans", "risk")))
    program = build(loaded.config, loaded.classes).program
    looker = JaxLooker(Market(program.streams[0], len(program.rows)))
    prices = program.capacity * 0.0 + 0.01
    looks = [looker.look(prices, heat) for heat in (0.0, 0.01)]
    passes, look = [], JaxLooker.look
    JaxLooker.look = lambda self, *at: passes.append(1) or look(self, *at)
    crowd._COMPILE = 1  # the sizes at which passes are compiled are too large for a test
    many = FAMILIES["synthetic"].build(4000, 16, 12, 0)
    found = solve_prices(many, first_prices(many))
    print(
        json.dumps(
            {
                "devices": looker.mesh.size,
                "values": [x.value for x in looks],
                "use": [x.use.tolist() for x in looks],
                "arms": [int(x.arm.sum()) for x in looks],
                "compiled_passes": len(passes),
                "dual": found.dual,
                "welfare": many.welfare(found.allocation),
                "duals": found.duals.tolist(),
            }
        )
    )


main()
