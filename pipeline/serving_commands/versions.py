"""Which versions there are, and which one is live: list, roll back, pin, prune."""

import datetime
import sys
from typing import Any

from rich.markup import escape

from components.model_store.store import Version
from pipeline.errors import ExitCode, UserError
from pipeline.screen.command_line import Answer
from pipeline.screen.tables import Column, Table
from pipeline.serving_commands.request import Request, enumerate_versions, numbers

_COLUMNS = (
    Column("version", "version", "d"),
    Column("pushed", "pushed", spare=True),
    Column("accuracy", "accuracy", ".4f", spare=True),
    Column("run", "from run", spare=True),
    Column("state", "state"),
)


def list_versions(request: Request) -> Answer:
    """Lists the versions, and says which one is live."""
    store, versions = request.store, request.store.versions()
    request.say(escape(str(store.directory)))
    if versions:
        rows = [_row(version) for version in versions]
        styles = {index: "bold green" for index, one in enumerate(versions) if one.live}
        Table(_COLUMNS, rows).print(request.console, styles)
    else:
        request.say("No model was pushed here yet.")
    return Answer(
        {
            "directory": str(store.directory),
            "versions": [_describe(version) for version in versions],
            "warnings": request.warn(),
        }
    )


def _row(version: Version) -> dict[str, Any]:
    described = _describe(version)
    return {**described, "pushed": _describe_time(described["pushed"])}


def _describe(version: Version) -> dict[str, Any]:
    record = version.record
    return {
        "version": version.number,
        "pushed": record and record.pushed,
        "accuracy": record and record.facts.metrics.get("accuracy"),
        "run": record and record.facts.run,
        "state": _describe_state(version),
        "live": version.live,
        "pinned": version.pinned,
        "path": str(version.path),
    }


def _describe_time(pushed: str | None) -> str | None:
    try:
        time = datetime.datetime.fromisoformat(pushed or "")
    except ValueError:
        return None
    return time.astimezone().strftime("%Y-%m-%d %H:%M")


def _describe_state(version: Version) -> str:
    if version.live:
        return "live, pinned" if version.pinned else "live"
    if version.visible:
        return "" if version.servable else "damaged"
    return (version.record and version.record.withdrawn) or "moved aside"


def rollback(request: Request) -> Answer:
    """Makes a version live, and moves newer ones aside."""
    before = request.store.find()
    live = request.store.rollback(request.arguments.version)
    request.say(f"[bold green]Version {live.number} is live[/], instead of {before.number}.")
    return Answer(
        {
            "live": live.number,
            "before": before.number,
            "moved_aside": _say_what_is_aside(request, "not deleted"),
            "warnings": request.warn(),
        }
    )


def pin(request: Request) -> Answer:
    """Keeps a version live, whatever is pushed."""
    live = request.store.pin(request.arguments.version)
    request.say(
        f"[bold green]Version {live.number} is live[/] for servers that read models.config, "
        "until `unpin` or `rollback`."
    )
    return Answer({"live": live.number, "pinned": True, "warnings": request.warn()})


def unpin(request: Request) -> Answer:
    """Lets the newest version be live again."""
    live = request.store.unpin()
    request.say(f"[bold green]Version {live.number} is live[/], the newest.")
    return Answer({"live": live.number, "pinned": False, "warnings": request.warn()})


def prune(request: Request) -> Answer:
    """Deletes old versions, after asking."""
    arguments, store = request.arguments, request.store
    doomed = store.superfluous(arguments.keep, withdrawn=arguments.withdrawn)
    deleted: list[Version] = []
    if not doomed:
        request.say("There is nothing to delete.")
    elif not arguments.yes and not _confirm(request, f"Delete {enumerate_versions(doomed)}?"):
        request.say("Nothing was deleted.")
        return Answer({"deleted": []}, ExitCode.FAILED)
    else:
        deleted = store.prune(doomed)
        request.say(
            f"Deleted {enumerate_versions(deleted)}." if deleted else "Nothing was deleted."
        )
    aside = _say_what_is_aside(request, "not deleted without --withdrawn")
    return Answer({"deleted": numbers(deleted), "moved_aside": aside, "warnings": request.warn()})


def _confirm(request: Request, question: str) -> bool:
    if request.arguments.json or not sys.stdin.isatty():
        raise UserError("prune asks before it deletes: give --yes where nobody can answer.")
    answer = request.console.input(f"{question} [y/N] ", markup=False)
    return answer.strip().lower() in ("y", "yes")


def _say_what_is_aside(request: Request, remark: str) -> list[int]:
    aside = [version for version in request.store.versions() if not version.visible][::-1]
    if aside:
        request.say(f"Moved aside, {remark}: {enumerate_versions(aside)}.")
    return numbers(aside)
