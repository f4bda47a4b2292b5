#!/usr/bin/python3
"""A process that MPI takes for a world of its own, although its launcher has started several, is refused: N jobs on one run
would be one that works and N-1 idle nodes. With the words of launchers by themselves, and with MPICH's mpirun, which starts
yoda as it was built here (with another MPI)."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import world as w

SETTINGS = ["disk.free_at_start=1 MB", "disk.free_running=1 MB", "payload.workers=1"]
# What each launcher says to its second and later ranks, or to all where that is what gives it away.
LOST = {
    "mpirun": ({"OMPI_COMM_WORLD_SIZE": "3", "OMPI_COMM_WORLD_RANK": "0"}, "OMPI_COMM_WORLD_SIZE is 3"),
    "hydra": ({"PMI_SIZE": "3", "PMI_RANK": "0"}, "PMI_SIZE is 3"),
    "srun": ({"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "3", "SLURM_PROCID": "0"}, "SLURM_STEP_NUM_TASKS is 3 in step 0"),
    "pmix": ({"PMIX_RANK": "2"}, "PMIX_RANK is 2"),
    "cray": ({"PALS_RANKID": "0"}, "PALS_RANKID is set, and no variable says how many ranks there are"),
}
# Of jobs that are alone to their launcher too.
ALONE = {
    "batch": {"SLURM_STEP_ID": "batch", "SLURM_STEP_NUM_TASKS": "3"},
    "step": {"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "1"},
}


def test(world, long):
    source = world.write_lhe("in.lhe", 10)
    payload = world.write_payload("lines", channel="command", executable="/bin/sh", argument=["-c", "echo done > $0", "{output}"])

    def yoda(command, run, words=(), variables=None):
        done = subprocess.run([*command, os.path.join(world.bin, "yoda"), run, *words],
                              env={**world.environment, **(variables or {})}, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=240)
        return done.returncode, done.stderr

    def is_untouched(run):
        status = world.status(run)
        assert status["ranges"]["ready"] == status["ranges"]["total"] == 2, status
        assert not [name for name in os.listdir(run) if name.startswith(("lock", "status", "result"))], os.listdir(run)

    for name, (variables, reason) in LOST.items():
        run = world.new_run(name, [source], payload, settings=SETTINGS)
        code, told = yoda([], run, variables={**variables, "YODA_LAST_WORD": world.path(name + ".last")})
        assert code == 2, (name, code, told)
        assert "alone to MPI, and one of several to its launcher: " + reason in told and "--single" in told, (name, told)
        is_untouched(run)
        if name != "pmix":  # Not the first rank.
            with open(world.path(name + ".last")) as file:
                assert file.read() == "2\n"
        code, told = yoda([], run, ["--single"], variables)
        assert code == 0, (name, code, told)
        assert world.status(run)["ranges"]["finished"] == 2

    for name, variables in ALONE.items():
        run = world.new_run(name, [source], payload, settings=SETTINGS)
        code, told = yoda([], run, variables=variables)
        assert code == 0, (name, code, told)

    run = world.new_run("one", [source], payload, settings=SETTINGS)
    code, told = yoda(["mpirun", "-n", "1"], run)
    assert code == 0, (code, told)

    hydra = shutil.which("mpiexec.hydra")
    if not hydra:
        print("skipped: MPICH's mpirun is not here")
        return
    run = world.new_run("mpich", [source], payload, settings=SETTINGS)
    code, told = yoda([hydra, "-n", "3"], run)
    assert code == 2 and told.count("PMI_SIZE is 3; yoda was built with Open MPI") == 3, (code, told)
    is_untouched(run)
    code, told = yoda([hydra, "-n", "1"], run)
    assert code == 0, (code, told)
    assert world.status(run)["ranges"]["finished"] == 2


w.main(test)
