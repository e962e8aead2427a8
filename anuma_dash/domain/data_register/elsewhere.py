"""What is in no table of the dashboard: in its logs, in the browser, in the gateway."""

from __future__ import annotations

from anuma_dash.domain.data_register.terms import CONSENT, CONTRACT, NOBODY, SECURITY, Category

CATEGORIES = (
    Category(
        name="logs",
        title="Server logs",
        holder="dashboard",
        source="Your browser, with every page that you open",
        purpose="To find faults and attacks",
        basis=SECURITY,
        kept=lambda _: "As long as the operator of this site keeps its logs. They cannot be counted from here",
        recipients=NOBODY,
        more_fields=(
            "The time",
            "the kind of page, never its content",
            "the answer's status and duration",
            "the identifiers of you, your account and the request",
        ),
    ),
    Category(
        name="cookies",
        title="Cookies",
        holder="browser",
        source="This site",
        purpose="To know your session, to keep a form yours, to remember the theme and one message after a form",
        basis=SECURITY,
        kept=lambda settings: (
            f"The session's for {settings.session_absolute_days} days at the longest, the theme for a year, the others "
            "for minutes, or until you close the browser"
        ),
        recipients="This site alone; no other site gets or sets one here",
        more_fields=("Session token", "form token", "theme", "message of the last form", "sign-in under way"),
    ),
    Category(
        name="api_keys",
        title="API keys",
        holder="gateway",
        source="You, by making keys",
        purpose="To know which calls are yours",
        basis=CONTRACT,
        kept=lambda _: "As long as the account is there; a revoked key stays listed",
        recipients="People of the account see name and last four characters",
        page=("API keys", "keys.index"),
        more_fields=("Name", "who made it", "hash of the secret", "prefix and last four characters", "last use"),
    ),
    Category(
        name="request_metadata",
        title="Request metadata",
        holder="gateway",
        source="Your programs, with every call",
        purpose="To meter, to find errors, to stop abuse",
        basis=CONTRACT,
        kept=lambda _: "As long as the account is there",
        recipients="People of the account who may read the request log",
        page=("Request log", "requests.index"),
        more_fields=("Time", "key", "model and route", "token counts", "cost", "latency", "status"),
        inventory="request_metadata",
    ),
    Category(
        name="request_content",
        title="Stored prompts and responses",
        holder="gateway",
        source="Your programs, while prompt logging is on",
        purpose="To let you read them again, and to provide, secure, operate, analyze and improve the service",
        basis=CONSENT,
        kept=lambda _: "The days that stand in the data controls; none are stored while prompt logging is off",
        recipients="People of the account who may read content. Model providers get each prompt when it is answered, "
        "under terms of their own",
        page=("Data controls", "data_controls.index"),
        more_fields=("Prompt", "response"),
        inventory="request_content",
    ),
    Category(
        name="conversations",
        title="Chat history",
        holder="gateway",
        source="Your programs, while chat history is on for you",
        purpose="To let you find and read your conversations again, and to provide, secure, operate, analyze and "
        "improve the service",
        basis=CONSENT,
        kept=lambda _: "The days that stand in the data controls; none are kept while chat history is off",
        recipients="Nobody else of the account. Model providers got each message when it was answered, under terms of "
        "their own",
        page=("History", "history.index"),
        more_fields=("Title", "messages", "model", "app", "times"),
        inventory="conversations",
    ),
    Category(
        name="memories",
        title="Memories",
        holder="gateway",
        source="You, on the page of memories, and your programs, while memories are on for you",
        purpose="To let your apps use them in requests of yours, and to provide, secure, operate, analyze and improve "
        "the service",
        basis=CONSENT,
        kept=lambda _: "The days that stand in the data controls; none are kept while memories are off",
        recipients="Nobody else of the account. Model providers get a memory with the requests that use it, those "
        "that you let",
        page=("Memories", "memories.index"),
        more_fields=("Text", "which apps and providers may have it", "where it came from", "last use"),
        inventory="memories",
    ),
)
