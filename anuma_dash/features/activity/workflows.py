"""The durable work of the activity: checking chains, making and destroying exports, erasing details."""

from __future__ import annotations

from datetime import timedelta

from anuma_dash.features.activity.export_making import advance_export, make_exports_due
from anuma_dash.features.activity.models import ActivityExport, ChainCheck, DetailExpiry
from anuma_dash.features.activity.retention import expire_details, make_expiry_due
from anuma_dash.features.activity.verification import check_chain, make_checks_due
from anuma_dash.workflows import Kind, Schedule

KINDS = [
    Kind("chain_check", ChainCheck, check_chain),
    Kind("activity_export", ActivityExport, advance_export),
    Kind("detail_expiry", DetailExpiry, expire_details),
]
SCHEDULES = [
    Schedule("chain_checks", timedelta(minutes=1), make_checks_due),
    Schedule("activity_exports", timedelta(minutes=1), make_exports_due),
    Schedule("detail_expiries", timedelta(hours=1), make_expiry_due),
]
