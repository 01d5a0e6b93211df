"""The function configure, which sets the API key and address in the program."""

import typing
import weakref

import pulumi
from pulumi.runtime import settings

__all__ = ["configure"]

# One entry per running program: inline programs of the Automation API share
# this module, but each has a monitor of its own.
_providers: "weakref.WeakKeyDictionary[typing.Any, pulumi.ProviderResource]" = weakref.WeakKeyDictionary()


class _NoMonitor:
    """Stands for the program that runs without an engine."""


_no_monitor = _NoMonitor()


def _program() -> typing.Any:
    return settings.get_monitor() or _no_monitor


def configure(
    api_key: typing.Optional[pulumi.Input[str]] = None,
    base_url: typing.Optional[pulumi.Input[str]] = None,
) -> pulumi.ProviderResource:
    """
    Configure PgBeam in the program. Every PgBeam resource and function after this call that is given no provider, by
    its own options or by a component around it, uses this key and address. It returns the provider that was made.

    Call it once, before the first resource. Where one program needs two keys, make a `Provider` for the other and
    pass it as the option `provider`.

    :param pulumi.Input[str] api_key: The API key. It is kept encrypted in state. Default: the stack configuration
        `pgbeam:apiKey`, else the environment variable `PGBEAM_API_KEY`.
    :param pulumi.Input[str] base_url: The address of the API. Default: the stack configuration `pgbeam:baseUrl`, else
        the environment variable `PGBEAM_API_URL`.
    """
    from .provider import Provider

    if _program() in _providers:
        raise RuntimeError(
            "pgbeam.configure() was called a second time. Call it once; for resources that need another key or "
            "address, make a pgbeam.Provider and pass it to them with the option 'provider'."
        )
    stack = pulumi.Config("pgbeam")
    key = api_key if api_key is not None else stack.get_secret("apiKey")
    provider = Provider(
        "pgbeam-configured",
        api_key=None if key is None else pulumi.Output.secret(key),
        base_url=base_url if base_url is not None else stack.get("baseUrl"),
        opts=pulumi.ResourceOptions(additional_secret_outputs=["apiKey"]),
    )
    _providers[_program()] = provider
    return provider


def configured_provider(opts: typing.Any) -> typing.Optional[pulumi.ProviderResource]:
    """
    The provider that a resource or function with these options uses because of `configure`: none when it has one
    already, itself or through its parent.
    """
    if getattr(opts, "provider", None) is not None:
        return None
    parent = getattr(opts, "parent", None)
    if parent is not None and parent.get_provider("pgbeam:index:_") is not None:
        return None
    return _providers.get(_program())
