"""Forms as a browser sends them: every current field, the pressed button, the fields that the person filled in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element

from tests.page import Document, accessible_name, select, words

Fields = list[tuple[str, str]]
Value = str | bool | int | list[str]
BUTTONS = "button, input[type=submit], input[type=image]"


@dataclass(frozen=True)
class Filled:
    """What is sent."""

    form: Element
    button: Element
    method: str
    action: str
    fields: Fields


def find_form(document: Document, name: str, within: str = "") -> tuple[Element, Element]:
    """The form and its button of this name: its words, or its accessible name."""
    scope = set(_below(document, within)) if within else None
    buttons = [
        button
        for button in select(document.root, BUTTONS)
        if button.get("type", "submit") != "button" and (scope is None or button in scope)
    ]
    fitting = [button for button in buttons if name in (words(button), accessible_name(document, button))]
    known = sorted({accessible_name(document, button) for button in buttons})
    assert fitting, f"no button {name!r}; there are {known}"
    assert len(fitting) == 1, f"{len(fitting)} buttons {name!r}: say which with within="
    assert fitting[0].get("disabled") is None, f"the button {name!r} is disabled"
    return _form_of(document, fitting[0]), fitting[0]


def _below(document: Document, selector: str) -> list[Element]:
    found = select(document.root, selector)
    assert len(found) == 1, f"{len(found)} elements fit {selector!r}"
    return list(found[0].iter())


def _form_of(document: Document, button: Element) -> Element:
    if button.get("form"):
        form = document.by_id(button.get("form", ""))
        assert form is not None, f"there is no form {button.get('form')!r}"
        return form
    forms = [form for form in select(document.root, "form") if button in set(form.iter())]
    assert forms, "the button stands in no form"
    return forms[0]


def fill(document: Document, name: str, changes: dict[str, Value], within: str = "") -> Filled:
    """Press a button: what its form then sends, with the fields changed as given."""
    form, button = find_form(document, name, within)
    controls = [one for one in form.iter() if one.tag in ("input", "select", "textarea")]
    controls += [one for one in document.root.iter() if one.get("form") == form.get("id", "-") and one not in controls]
    controls = [one for one in controls if one.get("name") and one.get("disabled") is None]
    unknown = set(changes) - {control.get("name") for control in controls}
    known = sorted({str(control.get("name")) for control in controls})
    assert not unknown, f"the form has no {sorted(unknown)}; it has {known}"
    fields: Fields = []
    for control in controls:
        wanted = changes.get(str(control.get("name")))
        fields += [(str(control.get("name")), value) for value in _values(control, wanted)]
    _check_chosen(controls, changes)
    if button.get("name"):
        fields.append((str(button.get("name")), button.get("value", "")))
    method = (button.get("formmethod") or form.get("method", "get")).lower()
    return Filled(form, button, method, button.get("formaction") or form.get("action", ""), fields)


def current_values(form: Element) -> dict[str, list[str]]:
    """What stands in the fields of a form now."""
    found: dict[str, list[str]] = {}
    for control in form.iter():
        if control.tag in ("input", "select", "textarea") and control.get("name"):
            found.setdefault(str(control.get("name")), []).extend(_values(control, None))
    return found


def _values(control: Element, wanted: Any) -> list[str]:
    kind = control.get("type", "text")
    if control.tag == "textarea":
        return [str(wanted) if wanted is not None else (control.text or "").removeprefix("\n")]
    if control.tag == "select":
        return _options(control, wanted)
    if kind in ("checkbox", "radio"):
        return [control.get("value", "on")] if _checked(control, kind, wanted) else []
    if kind in ("submit", "button", "image", "reset", "file"):
        return []
    return [str(wanted) if wanted is not None else control.get("value", "")]


def _checked(control: Element, kind: str, wanted: Any) -> bool:
    if wanted is None:
        return control.get("checked") is not None
    if isinstance(wanted, bool):
        assert kind == "checkbox", f"say which of the {control.get('name')!r} is meant"
        return wanted
    chosen = wanted if isinstance(wanted, list) else [str(wanted)]
    return control.get("value", "on") in chosen


def _options(control: Element, wanted: Any) -> list[str]:
    options = [(option.get("value", words(option)), words(option), option) for option in control.iter("option")]
    if wanted is None:
        selected = [value for value, _, option in options if option.get("selected") is not None]
        if control.get("multiple") is not None or selected:
            return selected
        return [options[0][0]] if options else []
    chosen = wanted if isinstance(wanted, list) else [str(wanted)]
    offered = [text for _, text, _ in options]
    values = [value for value, text, _ in options if value in chosen or text in chosen]
    assert len(values) == len(chosen), f"{control.get('name')!r} offers {offered}, not {wanted!r}"
    return values


def _check_chosen(controls: list[Element], changes: dict[str, Value]) -> None:
    for name, wanted in changes.items():
        offered = [
            control.get("value", "on")
            for control in controls
            if control.get("name") == name and control.get("type") in ("radio", "checkbox")
        ]
        if offered and not isinstance(wanted, bool):
            missing = set(wanted if isinstance(wanted, list) else [str(wanted)]) - set(offered)
            assert not missing, f"{name!r} offers {offered}, not {sorted(missing)}"
