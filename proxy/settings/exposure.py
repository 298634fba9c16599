"""Who may reach a server that asks for no signature."""

from ipaddress import ip_address

from proxy.settings.declare import SettingsError
from proxy.settings.model import Settings

SET_A_KEY = "set a key (DARKROOM_KEYS=…, or keys = […] in the file; `darkroom key` makes one)"
CLOSE_IT = (
    f"{SET_A_KEY}, or listen on 127.0.0.1, or say --unsigned (DARKROOM_UNSIGNED=true) to let anybody ask for anything"
)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address; every name but `localhost` counts as reachable."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def is_exposed(settings: Settings) -> bool:
    """Whether others than this machine could ask without a signature, though nobody has said that they may."""
    return not (settings.keys or settings.unsigned or is_loopback(settings.host))


def check_exposure(settings: Settings) -> None:
    """Raise SettingsError where a server without a key would answer others than this machine."""
    if is_exposed(settings):
        raise SettingsError(f"host: other machines reach {settings.host or 'it'}, and there is no key: {CLOSE_IT}")
