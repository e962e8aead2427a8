"""Mail: messages from templates, kept as durable rows, sent by the worker through SMTP (RFC 5321, RFC 5322).

A message is written in the transaction of what caused it, sealed in the vault, and destroyed when it has been sent or
cannot be sent any more. Nothing says "sent" before the mail server has accepted the message.
"""

from anuma_dash.mail.letters import CONFIRMATION_CODE, Letter, local_moment, utc_moment
from anuma_dash.mail.messages import KEPT, Mail, State, forget_settled, mailable, reachable, withdraw, write, write_to
from anuma_dash.mail.sending import MAIL

__all__ = [
    "CONFIRMATION_CODE",
    "KEPT",
    "MAIL",
    "Letter",
    "Mail",
    "State",
    "forget_settled",
    "local_moment",
    "mailable",
    "reachable",
    "utc_moment",
    "withdraw",
    "write",
    "write_to",
]
