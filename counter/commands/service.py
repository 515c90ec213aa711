"""`counter up`, `serve` and its `worker`, `migrate`, `rollup`, `config`."""

import click

from counter.aggregates.store import AggregateStore
from counter.app import serve
from counter.clock import system_clock
from counter.commands.running import counts, database, runs, say, stop_on_parent, stop_on_signals
from counter.config import Settings, describe, take_variables
from counter.database import migrate, revert
from counter.supervisor import VARIABLES, Supervisor
from counter.workers.cores import keep_to_own_core
from counter.workers.parent import serve_with_workers
from counter.workers.worker import work


@click.command("up")
@click.option("--stores-only", is_flag=True, help="Only Valkey and Postgres: for `counter restore`.")
@runs
async def up_command(settings: Settings, *, stores_only: bool) -> None:
    """Run everything, with an embedded Valkey and Postgres, and a demo portal."""
    from counter.embedded.up import up  # noqa: PLC0415 - needs the extra `embedded`

    await up(settings, stop=stop_on_signals().asked, say=say, stores_only=stores_only)


@click.command("serve")
@click.option("--workers", type=click.IntRange(1, 64), help="Instead of COUNTER_WORKERS.")
@runs
async def serve_command(settings: Settings, *, workers: int | None) -> None:
    """Run the service on the Redis and Postgres that the environment names."""
    stop = stop_on_signals()
    supervisor = Supervisor.of(take_variables(VARIABLES))
    size = workers or settings.workers
    if size == 1:
        await serve(settings, stop=stop.asked, hurry=stop.hurry, say=say, supervisor=supervisor)
    else:
        await serve_with_workers(
            settings, size, stop=stop.asked, hurry=stop.hurry, say=say, supervisor=supervisor
        )


@click.command("worker", hidden=True)
@click.option("--number", type=int, required=True, help="Of its place, from 1.")
@click.option("--public", type=int, multiple=True, required=True, help="Descriptors that all workers share.")
@click.option("--admin", type=int, required=True, help="Descriptor on which the parent asks.")
@click.option("--parent", type=int, required=True, help="Descriptor of the channel to the parent.")
@click.option("--limits", type=int, help="Descriptor of the memory in which all workers keep their limits.")
@runs
async def worker_command(
    settings: Settings,
    *,
    number: int,
    public: tuple[int, ...],
    admin: int,
    parent: int,
    limits: int | None,
) -> None:
    """Be one of the workers of `serve`."""
    keep_to_own_core(number, settings.workers)
    stop = stop_on_parent()
    await work(settings, public, admin, parent, limits, stop=stop.asked, hurry=stop.hurry)


@click.command("migrate")
@click.option("--grant-to", "role", default="", help="Role that gets what the service needs, and no more.")
@click.option(
    "--back-to", metavar="VERSION", help="Take back the migrations after this one, such as 0006, instead."
)
@runs
async def migrate_command(settings: Settings, *, role: str, back_to: str | None) -> None:
    """Bring the database up to date, or back to an earlier version of the program (see docs/install.md)."""
    if back_to:
        async with database(settings) as connection:
            for name in await revert(connection, back_to):
                say(f"took back {name}")
        say(f"the database is as {back_to} left it; start a version of the program that knows no later one")
        return
    for name in await migrate(settings.database_url.get_secret_value(), role):
        say(f"applied {name}")
    say("the database is up to date")


@click.command("rollup")
@click.option("--once", is_flag=True, required=True, help="Roll up what has changed, and end.")
@runs
async def rollup_command(settings: Settings, *, once: bool) -> None:  # noqa: ARG001 - `serve` does it for ever
    """Write the open buckets into Postgres now."""
    async with counts(settings) as both:
        report = await both.rollup.run(AggregateStore(both.connection), system_clock())
    say(f"{report.rows} rows and {report.page_rows} page rows written, {report.folded} bases made")


@click.command("config")
def config_command() -> None:
    """Print all settings as a table in Markdown."""
    say(describe(), nl=False)
