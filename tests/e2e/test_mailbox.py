"""Mail on the real processes: the worker sends it, the sandbox's mailbox shows it."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import httpx
import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from anuma_dash import mail
from anuma_dash.db import Database
from anuma_dash.identity import User
from anuma_dash.settings import Settings
from anuma_dash.workflows import utc_now
from tests.e2e import main_job
from tests.e2e.chromium import axe_violations, scrolls_sideways
from tests.processes import Stack, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.processes]
ADDRESS = "strange@elsewhere.example"
VALUES = {"code": "4071 1122", "until": "10:10", "asked_at": "10:00", "device": "Firefox", "support_email": "s@a.b"}


def state(db: Database, mail_id: UUID) -> str | None:
    with db.reading() as tx:
        return tx.scalar(select(mail.Mail.state).where(mail.Mail.id == mail_id))


def test_the_worker_mails_and_the_mailbox_shows_it(product: Stack, page: Page) -> None:
    main_job.sign_in(page, product.dashboard, "Strange Okafor")
    settings = Settings.from_environment(product.environment)
    db = Database(settings.database_url)
    now = utc_now()
    with db.transaction(durable=True) as tx:
        user = tx.scalars(select(User).where(User.email == ADDRESS)).one()
        mail_id = mail.write(
            tx, settings, user, mail.CONFIRMATION_CODE, VALUES, now=now, until=now + timedelta(minutes=10)
        ).id
    mailbox = f"{product.sandbox}/mailbox"
    wait_until(lambda: ADDRESS in httpx.get(mailbox, timeout=30, trust_env=False).text, "the message arrives")
    wait_until(lambda: state(db, mail_id) == "sent", "it is known to be sent")
    db.dispose()

    page.goto(mailbox)
    assert axe_violations(page) == []
    page.get_by_role("link", name="Your confirmation code for Anuma").click()
    expect(page.get_by_text("4071 1122").first).to_be_visible()
    assert axe_violations(page) == []
    page.set_viewport_size({"width": 390, "height": 900})
    assert not scrolls_sideways(page)
