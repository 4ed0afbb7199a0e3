"""Stands in for the commands, with a root like a pipeline's: `plant.py DEFECT MODULE ARGUMENT …`.

It recovers as they do, but for the defect. Started as a program, without the packages.
"""

import fcntl
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

_RUNNING, _COMPLETE, _FAILED = 2, 3, 4
_TABLES = """
CREATE TABLE IF NOT EXISTS Execution (last_known_state INT, create_time_since_epoch INT,
    last_update_time_since_epoch INT);
CREATE TABLE IF NOT EXISTS Artifact (create_time_since_epoch, last_update_time_since_epoch);
CREATE TABLE IF NOT EXISTS Context (create_time_since_epoch, last_update_time_since_epoch);
CREATE TABLE IF NOT EXISTS Event (milliseconds_since_epoch);
"""


def main(defect: str, module: str, *arguments: str) -> int:
    root = Path(arguments[arguments.index("--root") + 1])
    model = root / "serving" / "model" / "1"
    if module == "pipeline.serving":
        whole = model.read_text() == "whole"
        print("{}" if whole else "half")
        return 0 if whole else 1
    if module == "pipeline.runs":
        shutil.copy(root / "metadata.db.backup", root / "metadata.db")
        return 0
    root.mkdir(exist_ok=True)
    with (root / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = json.loads(Path(__file__).with_name("result.json").read_text())
        try:
            broken = _run(defect, root, model)
        except sqlite3.Error as error:
            result |= {"failure": {"cause": str(error)}, "exit_code": 2}
            broken = False
    if broken and defect == "other figures":
        result["evaluation"]["overall"]["accuracy"] = 0.1
    print(json.dumps(result))
    return result["exit_code"]


def _run(defect: str, root: Path, model: Path) -> bool:
    """Returns whether an earlier run was broken off."""
    with closing(sqlite3.connect(root / "metadata.db", timeout=0.1)) as database:
        database.executescript(_TABLES)
        begun = database.execute(
            "SELECT count(*) FROM Execution WHERE last_known_state = ?", [_RUNNING]
        )
        [broken] = begun.fetchone()
        if broken and defect == "no end":
            os.kill(os.getpid(), 19)
        if defect != "executions":
            database.execute("UPDATE Execution SET last_known_state = ?", [_FAILED])
        database.execute("INSERT INTO Execution VALUES (?, 0, 0)", [_RUNNING])
        database.commit()
        (root / "artifacts" / "Trainer" / "model" / "1").mkdir(parents=True, exist_ok=True)
        model.parent.mkdir(parents=True, exist_ok=True)
        if not broken or defect != "half version":
            model.write_text("half")
        print("Trainer: running", file=sys.stderr, flush=True)
        subprocess.run(["sleep", "0.15"], cwd=root, check=True)
        if not broken or defect != "half version":
            model.write_text("whole")
        last = "(SELECT max(rowid) FROM Execution)"
        database.execute(
            f"UPDATE Execution SET last_known_state = ? WHERE rowid = {last}", [_COMPLETE]
        )
        database.commit()
    shutil.copy(root / "metadata.db", root / "metadata.db.backup")
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
