"""Every setting: declared once, read from several places, listed for people."""

from proxy.settings.clients import Rates
from proxy.settings.declare import SettingsError
from proxy.settings.exposure import check_exposure
from proxy.settings.freshness import Freshness
from proxy.settings.limits import Limits
from proxy.settings.loading import load
from proxy.settings.model import Settings
from proxy.settings.mounts import Key, Mount, Offer, Policy, Remote
from proxy.settings.reference import SettingInfo, effective, every_setting, settings_reference
from proxy.sources.mounts import REMOTE

__all__ = [
    "REMOTE",
    "Freshness",
    "Key",
    "Limits",
    "Mount",
    "Offer",
    "Policy",
    "Rates",
    "Remote",
    "SettingInfo",
    "Settings",
    "SettingsError",
    "check_exposure",
    "effective",
    "every_setting",
    "load",
    "settings_reference",
]
