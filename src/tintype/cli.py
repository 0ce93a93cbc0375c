"""The command line: `tintype serve`, and the commands beside it; `tintype --help` lists them."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import tintype
from tintype.domain.actor import Scope
from tintype.domain.errors import Problem
from tintype.domain.invariant import Invariant
from tintype.settings import BadSettings, Settings, load_settings
from tintype.settings_security import BadKey, key_variables, with_printed_key
from tintype.tenant_arguments import add_tenant_commands

GC_HELP = (
    "Compares every row with every file, both ways, while the product runs or when it is stopped. Removes what nothing "
    "uses and what is older than the grace period; leaves alone, and names, what is not ours. It runs by itself every "
    "night."
)

VERIFY_HELP = (
    "Counts the violations of each invariant, names the first hundred of each, and changes nothing; while the product "
    "runs or when it is stopped. The exit status is 0 when there are none, 1 when there are, 2 when that could not be "
    "found out. It runs by itself every week. What it counts: "
    + "; ".join(f"{invariant}: {invariant.counts}" for invariant in Invariant)
)

ENCRYPT_HELP = (
    "Encrypts every image that is not yet encrypted with the current key (TINTYPE_BLOB_KEY), while the product runs or "
    "when it is stopped. Interrupted, it goes on where it was. Set the key and restart `tintype serve` first; "
    "docs/encryption.md says how, and how to change keys."
)

MOVE_HELP = (
    "Copies every image, by its SHA-256, from one of the places that blobs_url and blobs_mirror_url name to the other "
    "one, while the product runs and writes to both. Interrupted, it goes on where it was. The steps: docs/storage.md."
)

NEEDS_BLOB_KEY = frozenset({"serve", "doctor", "gc", "verify", "encrypt-blobs", "move-blobs"})
"""Commands that open images; what they start or do has the key from them."""

SETTING_FLAGS = ("host", "port", "data", "role", "api_processes", "workers", "renderers")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        settings = _settings(options)
    except BadSettings as error:
        for problem in error.problems:
            _complain(problem)
        return 2
    if options.command in NEEDS_BLOB_KEY:
        try:
            settings, variables = _with_blob_key(settings)
        except BadKey as error:
            return _fail(str(error))
        os.environ.update(variables)
    command = {
        "serve": _serve,
        "run-api": _run_api,
        "run-worker": _run_worker,
        "run-redirect": _run_redirect,
        "migrate": _migrate,
        "tenant": _tenant,
        "key": _key,
        "account": _account,
        "doctor": _doctor,
        "jobs": _jobs,
        "reprocess": _reprocess,
        "quota": _quota,
        "gc": _gc,
        "verify": _verify,
        "audit": _audit,
        "signing-key": _signing_key,
        "encrypt-blobs": _encrypt_blobs,
        "webhook": _webhook,
        "move-blobs": _move_blobs,
    }[options.command]
    return command(settings, options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tintype", description="Upload, process and deliver images.")
    parser.add_argument("--version", action="version", version=f"Tintype {tintype.__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="start everything, and stop it with Ctrl-C")
    serve.add_argument("--host", help="address to listen on (127.0.0.1)")
    serve.add_argument("--port", help="port to listen on (8000)")
    serve.add_argument("--role", help="all, api or worker; the parts share a database")
    serve.add_argument("--api-processes", help="processes that serve")
    serve.add_argument("--workers", help="processes that run jobs")
    serve.add_argument("--renderers", help="processes that decode, for each worker")
    migrate = commands.add_parser("migrate", help="bring the database up to date")
    doctor = commands.add_parser("doctor", help="check everything this installation stands on")
    tenant, key = add_tenant_commands(commands.add_parser)
    _add_account(commands)
    jobs = commands.add_parser("jobs", help="list jobs; retry or discard those that failed for good")
    jobs.add_argument("action", choices=["list", "retry", "discard"])
    jobs.add_argument("ids", nargs="*", metavar="JOB", help="ids such as job_…")
    jobs.add_argument("--all", action="store_true", help="retry or discard every dead job")
    jobs.add_argument("--state", default="dead", choices=["dead", "waiting", "running"], help="what to list (dead)")
    reprocess = commands.add_parser("reprocess", help="process images again, behind everything else")
    reprocess.add_argument("ids", nargs="*", metavar="IMAGE", help="ids such as img_…; all in the state if none")
    reprocess.add_argument(
        "--state", default="failed", choices=["failed", "ready", "rejected"], help="of the images (failed)"
    )
    quota = commands.add_parser("quota", help="how much a tenant, or an account of it, may keep")
    _add_quota_arguments(quota)
    garbage = commands.add_parser("gc", help="remove what crashes left behind", description=GC_HELP)
    garbage.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    garbage.add_argument("--replay-purges", action="store_true", help="purge again what a restored backup brought back")
    garbage.add_argument("--grace", type=float, metavar="HOURS", help="leave alone what is younger (24)")
    verify = commands.add_parser("verify", help="count what is lost, torn, damaged or left", description=VERIFY_HELP)
    verify.add_argument("--quick", action="store_true", help="compare rows and files, and read no file")
    verify.add_argument("--json", action="store_true", help="print counts and names as JSON")
    verify.add_argument("--grace", type=float, metavar="HOURS", help="forgive leftovers that are younger (24)")
    audit = commands.add_parser("audit", help="show who did what, newest first")
    audit.add_argument("--tenant", help="of this tenant alone")
    audit.add_argument("--action", help="this alone, such as image.purged")
    audit.add_argument("--actor", help="by this acc_… or key_… alone")
    audit.add_argument("--object", help="to this img_… or other id alone")
    audit.add_argument("--from", dest="since", metavar="TIME", help="not before this day or time (UTC)")
    audit.add_argument("--to", dest="until", metavar="TIME", help="before this day or time")
    audit.add_argument("--limit", type=int, help="so many of each tenant at the most")
    audit.add_argument("--json", action="store_true", help="as JSON, an entry on each line")
    encrypt = commands.add_parser("encrypt-blobs", help="encrypt images, or change their key", description=ENCRYPT_HELP)
    encrypt.add_argument(
        "--off", action="store_true", help="write them in clear; the key stands in TINTYPE_BLOB_KEY_OLD"
    )
    move = commands.add_parser("move-blobs", help="move images to another place", description=MOVE_HELP)
    move.add_argument("--to", required=True, metavar="URL", help="as in the settings: file:///srv/images, s3://bucket…")
    signing = _signing_key_parser(commands)
    of_tenants = (tenant, key, quota, audit, signing, _webhook_parser(commands))
    for command in (serve, migrate, doctor, jobs, reprocess, garbage, verify, encrypt, move, *of_tenants):
        command.add_argument("--data", help="data directory (./data)")
        command.add_argument("--config", type=Path, help="settings file (./tintype.toml)")
    for name in ("run-api", "run-worker", "run-redirect"):  # what `serve` starts; not for people
        commands.add_parser(name).add_argument("parent", type=int)
    return parser


def _add_quota_arguments(quota: argparse.ArgumentParser) -> None:
    quota.add_argument("action", choices=["show", "set", "clear"])
    quota.add_argument("--tenant", default="default", help="the tenant's slug (default)")
    quota.add_argument("--account", metavar="ACCOUNT", help="acc_…; the tenant as a whole if none is named")
    quota.add_argument("--bytes", metavar="SIZE", help="such as 5GB, or none for no limit; stays if not said")
    quota.add_argument("--images", metavar="COUNT", help="such as 1000, or none; stays if not said")


def _signing_key_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    parser = commands.add_parser("signing-key", help="list, rotate or retire the keys that sign addresses")
    parser.add_argument("action", choices=["list", "rotate", "retire"])
    parser.add_argument("kid", nargs="?", metavar="KID", help="the key to retire")
    parser.add_argument("--tenant", default="default", help="the tenant they are of (default)")
    return parser


def _webhook_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    parser = commands.add_parser("webhook", help="list webhooks and what was given up, send it again, switch them off")
    parser.add_argument("action", choices=["list", "dead", "redeliver", "enable", "disable"])
    parser.add_argument("ids", nargs="*", metavar="ID", help="evt_… to send again (all, if none), or whk_… to switch")
    parser.add_argument("--tenant", help="of this tenant alone")
    return parser


def _add_account(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `tintype account` and what it does."""
    account = commands.add_parser("account", help="make, list, suspend and restore accounts, give roles, make links")
    actions = account.add_subparsers(dest="action", required=True, metavar="ACTION")
    roles = ["member", "moderator", "operator"]
    create = actions.add_parser("create", help="make an account, and a link with which its owner chooses a password")
    create.add_argument("name", metavar="HANDLE")
    create.add_argument("email", metavar="EMAIL")
    create.add_argument("--role", dest="account_role", default="member", choices=roles)
    suspend = actions.add_parser("suspend", help="shut an account out, from its next request on")
    suspend.add_argument("name", metavar="HANDLE")
    suspend.add_argument("--reason", help="shown to operators and moderators")
    role = actions.add_parser("role", help="make somebody a member, moderator or operator")
    role.add_argument("name", metavar="HANDLE")
    role.add_argument("account_role", metavar="ROLE", choices=roles)
    restore = actions.add_parser("restore", help="let a suspended account in again")
    reset = actions.add_parser("reset-password", help="make a link with which a password is chosen anew")
    delete = actions.add_parser("delete", help="delete an account for good, with its images")
    for action in (restore, reset, delete):
        action.add_argument("name", metavar="HANDLE")
    everything = actions.add_parser("list", help="list accounts, newest first")
    link = actions.add_parser("set-up-link", help="make a one-time link that makes an operator")
    for action in (create, suspend, role, restore, reset, delete, everything, link):
        action.add_argument("--tenant", default="default", help="whose accounts (default)")
        action.add_argument("--data", help="data directory (./data)")
        action.add_argument("--config", type=Path, help="settings file (./tintype.toml)")


def _settings(options: argparse.Namespace) -> Settings:
    flags: dict[str, Any] = {name: getattr(options, name, None) for name in SETTING_FLAGS}
    return load_settings(file=_config(options), environment=os.environ, flags=flags)


def _with_blob_key(settings: Settings) -> tuple[Settings, Mapping[str, str]]:
    """Return the settings with the key that a command prints, and what child processes need to have it, too."""
    resolved = with_printed_key(settings.encryption)
    return replace(settings, encryption=resolved), key_variables(settings.encryption, resolved)


def _config(options: argparse.Namespace) -> Path | None:
    named = getattr(options, "config", None) or os.environ.get("TINTYPE_CONFIG")
    return Path(named) if named else None


def _serve(settings: Settings, options: argparse.Namespace) -> int:
    from tintype.supervisor import CannotStart, Supervisor
    from tintype.telemetry.logs import configure_logs

    configure_logs(settings.log_level)
    environment = {**os.environ, **_as_environment(options)}
    try:
        Supervisor(settings, environment, _say).run()
    except CannotStart as error:
        return _fail(str(error))
    return 0


def _as_environment(options: argparse.Namespace) -> dict[str, str]:
    """Return the flags as the variables that the children read."""
    given = {name: getattr(options, name, None) for name in SETTING_FLAGS}
    variables = {f"TINTYPE_{name.upper()}": str(value) for name, value in given.items() if value is not None}
    config = _config(options)
    return variables | ({"TINTYPE_CONFIG": str(config.resolve())} if config else {})


def _run_api(settings: Settings, options: argparse.Namespace) -> int:
    from tintype.children import run_api

    run_api(settings, options.parent)
    return 0


def _run_redirect(settings: Settings, options: argparse.Namespace) -> int:
    from tintype.children import run_redirect

    run_redirect(settings, options.parent)
    return 0


def _run_worker(settings: Settings, options: argparse.Namespace) -> int:
    from tintype.children import run_worker

    run_worker(settings, options.parent)
    return 0


def _migrate(settings: Settings, _options: argparse.Namespace) -> int:
    from tintype.db.migrate import migrate
    from tintype.supervisor import CannotStart, explained

    if settings.database_url is None:
        _complain(
            "The embedded database migrates itself when `tintype serve` starts. Set TINTYPE_DATABASE_URL for another."
        )
        return 2
    try:
        with explained():
            applied = migrate(settings.database_owner_url or settings.database_url)
    except CannotStart as error:
        return _fail(str(error))
    _say("\n".join(f"applied {name}" for name in applied) or "The database is up to date.")
    return 0


def _tenant(settings: Settings, options: argparse.Namespace) -> int:
    from tintype.tenant_commands import BadWords, work_on_tenants

    try:
        return _with_database(settings, lambda url: work_on_tenants(settings, url, options, _say))
    except BadWords as error:
        _complain(str(error))
        return 2


def _key(settings: Settings, options: argparse.Namespace) -> int:
    from tintype.tenant_commands import BadWords, wanted_lifetime, wanted_scopes, work_on_keys

    try:
        if options.action == "create":
            return _create_key(settings, options, wanted_scopes(options.scopes), wanted_lifetime(options.expires))
        return _with_database(settings, lambda url: work_on_keys(settings, url, options, _say))
    except BadWords as error:
        _complain(str(error))
        return 2


def _create_key(
    settings: Settings, options: argparse.Namespace, scopes: AbstractSet[Scope] | None, lifetime: timedelta | None
) -> int:
    from tintype.db.setup import NoSuchTenant, create_api_key
    from tintype.doctor import running_database_url
    from tintype.supervisor import CannotStart, explained

    try:
        with explained():
            owner_url = running_database_url(settings)
            if owner_url is None:
                return _fail(
                    f"No database runs in {settings.data}. Start `tintype serve`; keys are made while it runs."
                )
            token = create_api_key(owner_url, options.tenant, options.name, scopes=scopes, lifetime=lifetime)
    except NoSuchTenant:
        return _fail(f"There is no tenant {options.tenant!r}.")
    except CannotStart as error:
        return _fail(str(error))
    _say(token.reveal())
    return 0


def _account(settings: Settings, options: argparse.Namespace) -> int:
    from tintype.account_commands import Wanted, work_on_accounts

    given = {name: getattr(options, name) for name in ("name", "email", "account_role", "reason") if name in options}
    wanted = Wanted(options.action, options.tenant, **given)
    return _with_database(settings, lambda url: work_on_accounts(settings, url, wanted, _say, _complain))


def _jobs(settings: Settings, options: argparse.Namespace) -> int:
    from tintype.job_commands import Wanted, work_on_jobs

    if options.action != "list" and bool(options.ids) == options.all:
        _complain(f"Name the jobs to {options.action}, or say --all for every dead one.")
        return 2
    wanted = Wanted(options.action, options.ids, options.state)
    return _with_database(settings, lambda url: work_on_jobs(url, wanted, _say, _complain))


def _reprocess(settings: Settings, options: argparse.Namespace) -> int:
    from tintype.job_commands import Wanted, reprocess

    wanted = Wanted("reprocess", options.ids, options.state)
    return _with_database(settings, lambda url: reprocess(settings, url, wanted, _say, _complain))


def _quota(settings: Settings, options: argparse.Namespace) -> int:
    from tintype.quota_commands import Wanted, work_on_quota

    if options.action == "set" and options.bytes is None and options.images is None:
        _complain("Say what is to be set: --bytes, --images, or both.")
        return 2
    wanted = Wanted(options.action, options.tenant, options.account, options.bytes, options.images)
    return _with_database(settings, lambda url: work_on_quota(url, wanted, settings.quotas, _say, _complain))


def _signing_key(settings: Settings, options: argparse.Namespace) -> int:
    from tintype.signing_commands import WantedKeys, work_on_signing_keys

    if (options.action == "retire") is not (options.kid is not None):
        _complain("Name the key to retire, as `tintype signing-key list` shows it, and none otherwise.")
        return 2
    wanted = WantedKeys(options.action, options.tenant, options.kid)
    return _with_database(settings, lambda url: work_on_signing_keys(settings, url, wanted, _say, _complain))


def _webhook(settings: Settings, options: argparse.Namespace) -> int:
    from tintype.webhook_commands import WantedOfWebhooks, work_on_webhooks

    if options.action in {"enable", "disable"} and not options.ids:
        _complain("Name the webhooks, as `tintype webhook list` shows them.")
        return 2
    wanted = WantedOfWebhooks(options.action, options.ids, options.tenant)
    return _with_database(settings, lambda url: work_on_webhooks(settings, url, wanted, _say, _complain))


def _with_database(settings: Settings, command: Callable[[str], int]) -> int:
    """Run a command on the running database and return its exit status; a sentence when there is none."""
    from tintype.doctor import running_database_url
    from tintype.supervisor import CannotStart, explained

    try:
        with explained():
            owner_url = running_database_url(settings)
            if owner_url is None:
                return _fail(f"No database runs in {settings.data}. Start `tintype serve` first.")
            return command(owner_url)
    except (CannotStart, Problem) as error:
        return _fail(_told(error) if isinstance(error, Problem) else str(error))


def _told(problem: Problem) -> str:
    return "\n  ".join([problem.detail, *(f"{error.field}: {error.message}" for error in problem.errors)])


def _doctor(settings: Settings, _options: argparse.Namespace) -> int:
    from tintype.doctor import examine_installation

    findings = examine_installation(settings)
    for finding in findings:
        _say(str(finding))
    return 0 if all(finding.ok for finding in findings) else 1


def _gc(settings: Settings, options: argparse.Namespace) -> int:
    from tintype.maintenance import collect_garbage, replay_purges
    from tintype.supervisor import CannotStart

    try:
        if options.replay_purges:
            return replay_purges(settings, _say, _complain)
        return collect_garbage(settings, _say, _complain, dry_run=options.dry_run, grace_hours=options.grace)
    except CannotStart as error:
        return _fail(str(error))


def _verify(settings: Settings, options: argparse.Namespace) -> int:
    from tintype.maintenance import verify
    from tintype.supervisor import CannotStart

    try:
        return verify(settings, _say, _complain, quick=options.quick, grace_hours=options.grace, as_json=options.json)
    except CannotStart as error:
        _complain(str(error))
        return 2


def _audit(settings: Settings, options: argparse.Namespace) -> int:
    from tintype.audit_command import WantedEntries, show_audit

    wanted = WantedEntries(
        tenant=options.tenant,
        action=options.action,
        actor=options.actor,
        named=options.object,
        since=options.since,
        until=options.until,
        limit=options.limit,
        as_json=options.json,
    )
    return _with_database(settings, lambda url: show_audit(url, wanted, _say, _complain))


def _encrypt_blobs(settings: Settings, options: argparse.Namespace) -> int:
    from tintype.blob_commands import encrypt_blobs
    from tintype.supervisor import CannotStart

    try:
        return encrypt_blobs(settings, _say, _complain, off=options.off)
    except CannotStart as error:
        return _fail(str(error))


def _move_blobs(settings: Settings, options: argparse.Namespace) -> int:
    from tintype.move_commands import move_blobs
    from tintype.supervisor import CannotStart

    try:
        return move_blobs(settings, options.to, _say, _complain)
    except CannotStart as error:
        return _fail(str(error))


def _say(line: str) -> None:
    print(line, flush=True)


def _fail(line: str) -> int:
    _complain(line)
    return 1


def _complain(line: str) -> None:
    print(f"tintype: {line}", file=sys.stderr, flush=True)
